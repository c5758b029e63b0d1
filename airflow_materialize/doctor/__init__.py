"""Looks at a machine and says what keeps assets from running well on it, one module for each thing to look at."""

from __future__ import annotations

from airflow_materialize.doctor.examination import diagnose
from airflow_materialize.doctor.finding import Finding

__all__ = ["Finding", "diagnose"]
