"""How a step that fails ends: what Airflow is told, with all that a callback may want to know as fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import (  # noqa: TID253  # imported when a step fails
    AirflowException,
    AirflowFailException,
    AirflowTaskTimeout,
)

from airflow_materialize.errors import MaterializeError, Problem, TransientError

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_materialize.definition.model.parsed import ParsedAsset


class StepError(BaseException):
    """A failed step, as `context["exception"]` of a callback.

    Attributes:
        error: The error of this package.
        message: What is wrong, and where.
        hint: What would be right; empty where nobody knows.
        unchanged: The table that is as it was; empty where that is not certain.
        phase: The part of the step that failed, as `materialize`.
        problems: The mistakes of a header, each with its place.
        cause: The exception of user code in one line, or what else ended its process.
        traceback: The frames of the asset's own files.
        output: The last lines that the asset printed and logged.
        peak_memory_bytes: The peak memory of its process.
        environment: The file that lists what is installed in its environment.
    """

    def __init__(self, error: MaterializeError) -> None:
        super().__init__(str(error))
        self.error = error
        self.message: str = error.message
        self.hint: str = error.hint
        self.unchanged: str = error.unchanged
        self.phase: str = error.phase
        self.problems: tuple[Problem, ...] = getattr(error, "problems", ())
        self.cause: str = error.ending.cause or error.message
        self.traceback: str = error.ending.traceback
        self.output: tuple[str, ...] = error.ending.output
        self.peak_memory_bytes: int = error.ending.peak_memory_bytes
        self.environment: str = error.ending.environment


class RetriedError(StepError, AirflowException):
    """The step failed, and another try may do."""


class FinalError(StepError, AirflowFailException):
    """The step failed, and no other try would do."""


class OverdueError(StepError, AirflowTaskTimeout):
    """The step took too long, and another try may do."""


def ending(error: MaterializeError, *, may_pass: bool, overdue: bool = False) -> StepError:
    """Return what Airflow is told of an error.

    Args:
        error: What went wrong.
        may_pass: Whether another try may do.
        overdue: Whether Airflow's own timeout ended the step.
    """
    if not may_pass:
        return FinalError(error)
    return OverdueError(error) if overdue else RetriedError(error)


def overdue(parsed: ParsedAsset, step: str, limit: timedelta | None) -> MaterializeError:
    """Return the error of a step that Airflow's timeout has ended.

    Args:
        parsed: Its asset.
        step: Its name.
        limit: Its `execution_timeout`.
    """
    if step != "run":
        hint = "its statement was cancelled; a load is one transaction, of which all is kept or nothing"
        return TransientError(f"{parsed.name}: `{step}` ran longer than its execution_timeout of {limit}", hint=hint)
    said = (parsed.asset and parsed.asset.timeout) or limit
    unchanged = parsed.name if parsed.shape.table else ""
    message = f"{parsed.name} ran longer than its timeout of {said}\nIt was in phase 'environment'."
    return MaterializeError(message, unchanged=unchanged, kinds=("Timeout",), phase="environment")
