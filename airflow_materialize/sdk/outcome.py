"""What an asset says of its run beside its rows, what others said of theirs, and that there is nothing to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_materialize.sdk.channel import line
from airflow_materialize.sdk.exceptions import BruinError, Skip
from airflow_materialize.sdk.metadata import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

SOFT, HARD = "soft", "hard"

_ABSENT: Any = object()


class ResultOfError(BruinError):
    """The other asset has said nothing in this DAG run, or it is none that this one waits for."""


def skip(reason: str, mode: str = SOFT) -> NoReturn:
    """End this asset as skipped: nothing is loaded or checked, and its table stays as it is.

    Args:
        reason: Why, for the log and for who looks at the run.
        mode: After a `soft` skip an asset that depends on this one runs if any other asset that it depends on has run,
            and is skipped if all are. After a `hard` one it is skipped whatever the others did, and so is what follows.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("skip(reason): say in a sentence why there is nothing to do")
    if mode not in (SOFT, HARD):
        raise ValueError(f"skip(…, mode={mode!r}): the mode is {SOFT!r} or {HARD!r}")
    raise Skip(reason, mode)


class Result:
    """Rows with what there is to say of them, made by `result`."""

    def __init__(self, frame: Any, *, metadata: Any, materialized: bool | None) -> None:
        self.frame = frame
        self._metadata = metadata
        self._materialized = materialized

    def said(self) -> dict[str, Any]:
        """Return what is said, once the rows have been taken: metadata may be filled in while a generator runs."""
        return {"metadata": plain(self._metadata), "materialized": self._materialized}


def result(frame: Any = None, *, metadata: Mapping[str, Any] | None = None, materialized: bool | None = None) -> Result:
    """Put something that is to be said of the run beside its rows.

    Args:
        frame: What `materialize()` may return.
        metadata: Names and values for JSON, 16 KiB at most; dates, times, decimals and UUIDs become text. They stand
            in the run's report and on the asset's event, and `result_of` gives them to what follows. Where the frame
            is a generator it may fill them in while it runs.
        materialized: Whether the table is another one than before, for who asks: unless said, what the load finds.
    """
    if not (materialized is None or isinstance(materialized, bool)):
        raise TypeError(f"result(…, materialized={materialized!r}): True, False, or None for what the load finds")
    kept: Any = {} if metadata is None else metadata
    plain(kept)
    return Result(frame, metadata=kept, materialized=materialized)


@dataclass(frozen=True)
class Outcome:
    """What another asset said in this DAG run.

    Attributes:
        metadata: Its metadata; empty where it gave none.
        materialized: Whether its table was changed; None for an asset without a table that did not say.
        rows: The rows of its result.
    """

    metadata: dict[str, Any]
    materialized: bool | None
    rows: int


def result_of(name: str, default: Any = _ABSENT) -> Any:
    """Return what an asset that this one depends on said in this DAG run: its `metadata`, `materialized` and `rows`.

    Args:
        name: The asset's name.
        default: What to return where it said nothing: it was skipped, or is not part of this run.

    Raises:
        ResultOfError: It said nothing and there is no default, or this asset does not depend on it.
    """
    body = line().look_up("result_of", name=str(name))
    if "outcome" in body:
        return Outcome(**body["outcome"])
    if default is _ABSENT or not body.get("depends"):
        raise ResultOfError(str(body.get("message")))
    return default
