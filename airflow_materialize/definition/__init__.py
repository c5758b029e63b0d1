"""Text → typed objects: what headers and `pipeline.yml` say, and what is wrong with them."""

from __future__ import annotations
