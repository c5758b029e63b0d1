"""All checks of an asset: one scan of the table for the columns, then the custom queries."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from airflow_materialize.checks.kinds import KINDS, Probe
from airflow_materialize.checks.subject import Subject
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.destinations.base import Table
from airflow_materialize.destinations.discretion import discreet
from airflow_materialize.errors import MaterializeError, TransientError
from airflow_materialize.report import CheckReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from airflow_materialize.checks.custom import Render
    from airflow_materialize.definition.model.asset import CustomCheck
    from airflow_materialize.definition.model.column import Check, Column, ForeignKey
    from airflow_materialize.destinations.base import Session

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Refusal:
    """Why a check could not run."""

    reason: str


def run_checks(
    session: Session,
    table: Table,
    columns: Iterable[Column],
    custom_checks: Iterable[CustomCheck] = (),
    *,
    blocking: bool | None = None,
    render: Render | None = None,
    table_of: Callable[[str], Table] | None = None,
) -> CheckReport:
    """Check the table, and report on every check in the order of the header.

    The checks of all columns are one SELECT. A check that cannot run, because its column is not there or the database
    refuses its statement, fails and says why; the others run all the same.

    Args:
        session: The open connection; it gives the dialect.
        table: What to check.
        columns: The declared columns with their checks.
        custom_checks: The asset's own queries.
        blocking: Only the checks that are blocking (True) or that are not (False); all of them unless said.
        render: Fills in the templates of the custom queries.
        table_of: The destination's `table`, for the names in foreign keys; without it each dot parts a name.

    Raises:
        MaterializeError: There is no such table.
        TransientError: The connection was lost, or a lock did not come free.
    """
    started = perf_counter()
    sql_types = session.columns(table)
    if sql_types is None:
        hint = "a load makes it; an asset that gave no data yet makes it if its columns declare types"
        raise MaterializeError(f"there is no table {table} to check", hint=hint)
    columns = tuple(columns)
    attempt = _Attempts(columns)
    wanted = [(column, check) for column in columns for check in column.checks if blocking in {None, check.blocking}]
    subjects = _Subjects(session, sql_types, session.arrow_types(table), table_of or _by_dots)
    probes = [attempt(subjects.probe, column, check) for column, check in wanted]
    rows, counts = _scan(session, table, probes, attempt)
    verdicts = [_verdict(*pair, probe, count, rows) for pair, probe, count in zip(wanted, probes, counts, strict=True)]
    for custom in custom_checks:
        if blocking in {None, custom.blocking}:
            from airflow_materialize.checks.custom import run_custom_check  # with a parser of SQL, which is large

            answer = attempt(run_custom_check, session, custom, render)
            verdicts.append(answer if isinstance(answer, Verdict) else _unanswered("", custom, answer))
    return CheckReport(str(table), rows, verdicts, perf_counter() - started)


def explain(report: CheckReport, *, kept: bool = True) -> str:
    """Return what to raise with where checks failed: each of them in a line.

    Args:
        report: What the checks said.
        kept: Whether the data stays, which the last line says then.
    """
    failed = report.failed
    checks = "check" if len(report.verdicts) == 1 else "checks"
    lines = [f"{len(failed)} of {len(report.verdicts)} {checks} of {report.table} failed ({report.rows:,} rows):"]
    for verdict in failed:
        subject = f"{verdict.column}: {verdict.check}" if verdict.column else verdict.check
        lines.append(f"  {subject}: expected {verdict.expected}, found {verdict.found}, count {verdict.count:,}")
    if kept:
        lines.append(f"The data stays in {report.table} as it was loaded.")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Attempts:
    """Does the work of checks, or says why it cannot be done, without values of the sensitive among the columns."""

    columns: tuple[Column, ...]

    def __call__(
        self, work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Result | _Refusal:
        """Do the work. What may pass by itself is raised: no check has failed."""
        try:
            with discreet(self.columns):
                return work(*args, **kwargs)
        except TransientError:
            raise
        except MaterializeError as error:
            # What a database adds below its first line is a picture of our statement.
            reason = error.message.strip().splitlines()[0]
            return _Refusal(f"{reason} ({error.hint})" if error.hint else reason)


@dataclass(frozen=True)
class _Subjects:
    """What the checks of one table look at."""

    session: Session
    sql_types: Mapping[str, str]
    arrow_types: Mapping[str, pa.DataType]
    table_of: Callable[[str], Table]

    def probe(self, column: Column, check: Check) -> Probe:
        name = self._spelled(column.name, self.sql_types)
        key = column.foreign_key if check.name == "relationships" else None
        subject = Subject(
            self.session,
            self.session.quote(name),
            self.sql_types[name],
            self.arrow_types[name],
            check.value,
            self._parent(key) if key else None,
        )
        return KINDS[check.name](subject)

    def _parent(self, key: ForeignKey) -> tuple[Table, str]:
        table = self.table_of(key.table)
        columns = self.session.columns(table)
        if columns is None:
            raise MaterializeError(f"there is no table {key.table}, which `foreign_key` names")
        return table, self._spelled(key.column, columns, f" in {key.table}")

    def _spelled(self, name: str, columns: Iterable[str], place: str = "") -> str:
        """Return the column's name as its table has it, where the database takes the two for one."""
        columns = list(columns)
        fold = self.session.fold
        alike = [column for column in columns if fold(column) == fold(name)]
        if not alike:
            raise MaterializeError(f"there is no column {name!r}{place}", hint=suggest(name, columns))
        return name if name in alike else alike[0]


def _by_dots(name: str) -> Table:
    return Table(*reversed(name.split(".", maxsplit=2)))


def _scan(
    session: Session, table: Table, probes: Sequence[Probe | _Refusal], attempt: _Attempts
) -> tuple[int, list[int | _Refusal]]:
    """Return the number of rows, and the answer of each probe."""
    ready = [probe for probe in probes if isinstance(probe, Probe)]
    counted = attempt(_count, session, table, ready)
    if isinstance(counted, _Refusal):
        total = attempt(_count, session, table, [])
        if isinstance(total, _Refusal) and not ready:
            raise MaterializeError(total.reason)
        if isinstance(total, _Refusal):
            # Inside of a transaction, which some databases give up with the first refused statement.
            return 0, [probe if isinstance(probe, _Refusal) else counted for probe in probes]
        # One statement that the database refuses must not hide what the others have to say.
        rows = total[0]
        alone = iter([attempt(_count, session, table, [probe]) for probe in ready])
        answers = iter([answer if isinstance(answer, _Refusal) else answer[1] for answer in alone])
    else:
        rows, *counts = counted
        answers = iter(counts)
    return rows, [next(answers) if isinstance(probe, Probe) else probe for probe in probes]


def _count(session: Session, table: Table, probes: Sequence[Probe]) -> list[int]:
    aggregates = ", ".join(["COUNT(*)", *(probe.sql for probe in probes)])
    values = [value for probe in probes for value in probe.parameters]
    # Names are quoted and values bound; the rest is text of this package.
    (counts,) = session.rows(f"SELECT {aggregates} FROM {session.name_of(table)}", values)  # noqa: S608
    return list(counts)


def _verdict(column: Column, check: Check, probe: Probe | _Refusal, count: int | _Refusal, rows: int) -> Verdict:
    if isinstance(probe, _Refusal):
        return _unanswered(column.name, check, probe)
    if isinstance(count, _Refusal):
        return _unanswered(column.name, check, count)
    return Verdict(
        check=check.name,
        column=column.name,
        blocking=check.blocking,
        passed=count == 0,
        expected=probe.expected,
        found=probe.found(count, rows),
        count=count,
    )


def _unanswered(column: str, check: Check | CustomCheck, refusal: _Refusal) -> Verdict:
    return Verdict(check.name, column, check.blocking, False, "an answer", f"an error: {refusal.reason}", 0)
