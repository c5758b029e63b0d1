"""The URI by which an asset is known to other pipelines."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from airflow_materialize.definition.text.fields import as_text, quoted, refuse

# https://www.rfc-editor.org/rfc/rfc3986#section-2; what Airflow stores is ASCII.
_FORM = r"[A-Za-z][A-Za-z0-9+.\-]*:[!-~]+"
_URI = re.compile(_FORM)
_LONGEST = 1500  # In Airflow's table of assets.
_USER = re.compile(r"[^:]*:/*[^/?#]*@")
_HINT = "ASCII with a scheme, as s3://shop/orders"


def as_uri(value: Any) -> str:
    """Take a URI, or nothing. One that holds a credential is not shown."""
    text = as_text(value)
    if not text:
        return text
    if _USER.match(text):
        raise refuse("the URI holds a user or a password", "leave out what stands before the @", code="AM131")
    if not _URI.fullmatch(text):
        raise refuse(f"{quoted(text)} is no URI", _HINT, code="AM131")
    if text.lower().startswith("airflow:"):
        raise refuse("the scheme airflow: is Airflow's own", _HINT, code="AM131")
    if len(text) > _LONGEST:
        raise refuse(f"the URI has {len(text)} characters", f"at most {_LONGEST}", code="AM131")
    return text


Uri = Annotated[str, BeforeValidator(as_uri), WithJsonSchema({"type": "string", "pattern": f"^({_FORM})?$"})]
"""A URI without a credential, or nothing."""
