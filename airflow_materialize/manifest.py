"""What `run` hands to `load`: small JSON, read as strictly as anything that others may have written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.report import RunReport, Skip
from airflow_materialize.sdk.metadata import plain
from airflow_materialize.signing import ForgedError, Signer

# Raised whenever an older worker could misread a manifest.
MANIFEST_VERSION = 3

_AGAIN = "clear the step run to make a new one"
_HEX = re.compile(r"[0-9a-f]{64}")
_ATTEMPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OUTCOMES = {"data", "no_data", "script", "skipped"}

_T = TypeVar("_T")
_Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is right, and what would be."""


@dataclass(frozen=True)
class StagedFile:
    """One sealed file.

    Attributes:
        path: Relative to the folder of staged files, as `raw__orders/<load key>/<attempt>.arrow`.
        size: In bytes.
        sha256: Hexadecimal.
        rows: Rows in all batches.
        schema_fingerprint: SHA-256 of the serialized Arrow schema, hexadecimal.
    """

    path: str
    size: int
    sha256: str
    rows: int
    schema_fingerprint: str


@dataclass(frozen=True)
class Manifest:
    """What `run` hands to `load`: small JSON, never data.

    Attributes:
        plan: The frozen run plan.
        report: What `run` did.
        attempt: Names this try at `run`.
        files: One for each output; none where there is no data.
    """

    plan: RunPlan
    report: RunReport
    attempt: str
    files: tuple[StagedFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data, ready for `json.dumps`."""
        return {
            "version": MANIFEST_VERSION,
            "plan": self.plan.to_json(),
            "report": self.report.to_json(),
            "attempt": self.attempt,
            "files": [asdict(file) for file in self.files],
        }

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """Return the manifest that `to_json` made `data` of, or raise MaterializeError where it is none."""
        _check_version(data)
        _check(data, _MANIFEST, "manifest")
        plan = _plan(data["plan"])
        table = plan.asset.name
        report = _report(data["report"], table)
        files = tuple(
            _checked(StagedFile, file, _FILE, f"files[{place}]", table) for place, file in enumerate(data["files"])
        )
        _agree(report, files, table)
        return cls(plan=plan, report=report, attempt=data["attempt"], files=files)


def signed(manifest: Manifest, signer: Signer) -> dict[str, Any]:
    """Return a manifest as plain data that bear a signature."""
    with _with_key(signer, manifest.plan.asset.name):
        return signer.signed(manifest.to_json())


def opened(data: Any, signer: Signer, table: str) -> Manifest:
    """Return the manifest that `signed` made `data` of. Nothing else of them is read before that is certain.

    The plan in a manifest names a file, and has the header's own SQL: who writes one writes into the table.

    Args:
        data: As they came.
        signer: Knows the signature.
        table: The asset for which they came.

    Raises:
        MaterializeError: They are none, or another hand has changed them.
    """
    _check_version(data, table)
    try:
        with _with_key(signer, table):
            bare = signer.opened(data)
    except ForgedError as error:
        raise MaterializeError(
            f"{table}: the manifest of its step run bears {error}: it was changed, or made where the key is another",
            hint="clear the step run to make a new one; workers on several machines need the same [core] fernet_key",
            unchanged=table,
        ) from error
    return Manifest.from_json(bare)


@contextmanager
def _with_key(signer: Signer, table: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MaterializeError(
            f"{table}: the key for manifests in {signer.folder} cannot be made or read: {error.strerror or error}",
            hint="set [core] fernet_key, or let the worker write the folder of [materialize] staged_files",
            unchanged=table,
        ) from error


def is_attempt(name: Any) -> bool:
    """Say whether a name of an attempt can be a file's name everywhere."""
    return isinstance(name, str) and _ATTEMPT.fullmatch(name) is not None


def _check_version(data: Any, table: str = "") -> None:
    if not isinstance(data, dict) or "version" not in data:
        raise MaterializeError("This is no manifest of a run step", hint=_AGAIN, unchanged=table)
    if data["version"] != MANIFEST_VERSION or isinstance(data["version"], bool):
        raise MaterializeError(
            f"The manifest has version {data['version']!r}, and this worker reads version {MANIFEST_VERSION}",
            hint="run the same airflow-materialize on every worker, then clear the step run",
            unchanged=table,
        )


def _plan(data: Any) -> RunPlan:
    try:
        plan = RunPlan.from_json(data)
        plan.load_key  # noqa: B018  # fails here where a part of the identity is no JSON
    except MaterializeError:
        raise
    except Exception as error:  # the plan is untrusted, and what its parts raise is theirs
        raise MaterializeError(f"The manifest's plan is damaged: {error}", hint=_AGAIN) from error
    return plan


def _report(data: Any, table: str) -> RunReport:
    report = _checked(RunReport, data, _REPORT, "report", table)
    if report.skip is None:
        return report
    return replace(report, skip=_checked(Skip, report.skip, _SKIP, "report.skip", table))


def _checked(kind: type[_T], data: Any, rules: dict[str, _Rule], where: str, table: str) -> _T:
    _check(data, rules, where, table)
    return kind(**{field.name: data[field.name] for field in fields(kind)})  # type: ignore[arg-type]


def _check(data: Any, rules: dict[str, _Rule], where: str, table: str = "") -> None:
    """Hold plain data against one rule for each of its fields."""
    wrong = ""
    if not isinstance(data, dict):
        wrong = f"{where} is a {type(data).__name__}, not an object"
    elif set(data) != set(rules):
        unlike = ", ".join(sorted(map(repr, set(data) ^ set(rules))))
        wrong = f"{where} has other fields than it should: {unlike}"
    else:
        for name, (accepts, expected) in rules.items():
            if not accepts(data[name]):
                wrong = f"{where}.{name} is {data[name]!r:.80}, not {expected}"
                break
    if wrong:
        raise MaterializeError(f"The manifest is damaged: {wrong}", hint=_AGAIN, unchanged=table)


def _agree(report: RunReport, files: tuple[StagedFile, ...], table: str) -> None:
    rows, size = sum(file.rows for file in files), sum(file.size for file in files)
    skipped = (report.outcome == "skipped") == (report.skip is not None)
    if not skipped or (report.outcome == "data") != bool(files) or (report.rows, report.bytes) != (rows, size):
        said = f"{report.outcome}, {report.rows} rows, {report.bytes} bytes"
        found = f"its {len(files)} files have {rows} rows, {size} bytes"
        raise MaterializeError(
            f"The manifest is damaged: its report says {said}, and {found}",
            hint=_AGAIN,
            unchanged=table,
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_seconds(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(number, int | float) and not isinstance(number, bool)
        for name, number in value.items()
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_metadata(value: Any) -> bool:
    try:
        return bool(plain(value) == value)
    except (TypeError, ValueError):
        return False


_COUNT = (_is_count, "a whole number from 0 on")
_HASH = (_is_hash, "a SHA-256 in hexadecimal")
_TEXT = (lambda value: isinstance(value, str), "text")
_MANIFEST: dict[str, _Rule] = {
    "version": (lambda value: value == MANIFEST_VERSION, str(MANIFEST_VERSION)),
    "plan": (lambda value: isinstance(value, dict), "an object"),
    "report": (lambda value: isinstance(value, dict), "an object"),
    "attempt": (is_attempt, "the name of an attempt"),
    "files": (lambda value: isinstance(value, list), "a list"),
}
_REPORT: dict[str, _Rule] = {
    "asset": _TEXT,
    "outcome": (lambda value: isinstance(value, str) and value in _OUTCOMES, "data, no_data, script or skipped"),
    "rows": _COUNT,
    "bytes": _COUNT,
    "seconds": (_is_seconds, "numbers of seconds by phase"),
    "peak_memory_bytes": _COUNT,
    "reads": (_is_texts, "a list of texts"),
    "metadata": (_is_metadata, "small metadata"),
    "materialized": (lambda value: value is None or isinstance(value, bool), "true, false or null"),
    "skip": (lambda value: value is None or isinstance(value, dict), "an object or null"),
}
_SKIP: dict[str, _Rule] = {
    "mode": (lambda value: value in ("soft", "hard"), "soft or hard"),
    "reason": _TEXT,
    "after": _TEXT,
}
_FILE: dict[str, _Rule] = {
    "path": _TEXT,
    "size": _COUNT,
    "sha256": _HASH,
    "rows": _COUNT,
    "schema_fingerprint": _HASH,
}
