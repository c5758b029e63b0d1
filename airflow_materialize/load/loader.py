"""One load: a staged result into its table, in one transaction, once."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_materialize.definition.model.materialization import STRATEGIES
from airflow_materialize.destinations.base import UnknownOutcomeError
from airflow_materialize.destinations.discretion import discreet
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.again import again
from airflow_materialize.load.changes import SchemaPlan
from airflow_materialize.load.comments import comment_on
from airflow_materialize.load.creation import apply_schema, create_staging
from airflow_materialize.load.direct import load_directly, needs_no_staging
from airflow_materialize.load.hooks import read_hooks, run_hooks
from airflow_materialize.load.keys import check_bounds, check_history, check_keys, find_keys
from airflow_materialize.load.ledger import TABLE as LEDGER_TABLE
from airflow_materialize.load.ledger import Attempt, Entry, Ledger, new_entry
from airflow_materialize.load.no_data import load_nothing
from airflow_materialize.load.publication import Counts, check_reach, plan_publication, publish
from airflow_materialize.load.repeat import (
    BeforeCommit,
    already_loaded,
    report_of,
    settle,
    total_of,
    unchanged,
)
from airflow_materialize.load.schema import (
    LOAD_KEY_COLUMN,
    plan_schema,
)
from airflow_materialize.load.staging import (
    ROW_NUMBER,
    Source,
    check_gaps,
    numbered,
    staged_batches,
    staged_schema,
)
from airflow_materialize.load.views import check_place, hide_view, show_view, target_of
from airflow_materialize.report import LoadReport

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Destination, Progress, Session, Table
    from airflow_materialize.plan.run_plan import RunPlan

log = logging.getLogger(__name__)

__all__ = ["already_loaded", "load_nothing", "load_table"]

_REFUSABLE = {"scheduled", "backfill", "asset_triggered"}


def load_table(
    source: Source,
    destination: Destination,
    plan: RunPlan,
    attempt: Attempt,
    *,
    before_commit: BeforeCommit | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Load a staged result into its table, by the plan's strategy.

    Everything happens in one transaction, the ledger row included: the table is as before, or as after. A transaction
    that the database gives up, as in a deadlock, is done again.

    Args:
        source: The result.
        destination: Where the table is.
        plan: The DAG run's plan.
        attempt: This try at the load.
        before_commit: Called when the table has its new rows, or is found to need none. What it says goes into the
            report.
        progress: Takes sentences for the log; the module's log unless given.

    Raises:
        MaterializeError: The load cannot be done. Nothing was changed.
        TransientError: The database was not to be had, or lost. Another try may do.
    """
    table, say = target_of(destination, plan.asset), progress or log.info
    started = time.monotonic()

    def once() -> LoadReport:
        report = None
        try:
            with destination.session(purpose=f"load of {table}", progress=say) as session, session.transaction():
                report = _Load(session, table, source, plan, attempt, say).run(before_commit)
        except UnknownOutcomeError as error:
            settle(destination, plan, source, attempt, error, say)
        if report is None:
            raise MaterializeError(f"The load of {table} ended without a result")
        return report

    with discreet(plan.asset.columns), unchanged(table):
        _check_asset(destination, plan, table)
        report = again(once, say)
    return replace(report, seconds=round(time.monotonic() - started, 3), guarantee=destination.guarantee)


@dataclass
class _Load:
    """One load inside of its transaction."""

    session: Session
    table: Table
    source: Source
    plan: RunPlan
    attempt: Attempt
    say: Progress

    def run(self, before_commit: BeforeCommit | None) -> LoadReport:
        ledger = Ledger(self.session, self.table)
        self.session.lock(self.table)
        if done := self._decided(ledger):
            return replace(done, checks=before_commit(self.session, self.table) if before_commit else None)
        before, after = read_hooks(self.plan, self.session)
        ledger.create()
        is_new = self.session.kind(self.table) == ""
        run_hooks(self.session, before)
        check_place(self.session, self.table)
        schema = plan_schema(
            self.session, self.table, self.source, self.plan.asset, replaces=self.plan.strategy == "create+replace"
        )
        for sentence in schema.diff.sentences():
            self.say(f"{self.table}: {sentence}")
        if is_new or schema.diff.created:
            ledger.forget()
        hide_view(self.session, self.table, schema.diff)
        counts = self._publish(schema)
        self.session.published()
        show_view(self.session, self.table, schema.diff)
        comment_on(self.session, self.table, self.plan.asset)
        for sentence in self.session.losses:
            self.say(f"{self.table}: {sentence}")
        run_hooks(self.session, after)
        if after and check_place(self.session, self.table) == "":
            raise MaterializeError(f"After hooks.post there is no table {self.table}", hint="a hook keeps the table")
        checks = before_commit(self.session, self.table) if before_commit else None
        if self.plan.strategy in {"delete+insert", "merge"} and (others := ledger.overlapping(self.plan)):
            told = (
                "1 load has an interval that overlaps" if others == 1 else f"{others} loads have intervals that overlap"
            )
            self.say(f"{self.table}: {told} this one's; the last commit wins")
        ledger.write(self._entry(ledger, counts))
        return LoadReport(
            str(self.table),
            self.plan.strategy,
            "loaded",
            materialized=any((counts.deleted, counts.updated, counts.inserted)) or bool(schema.diff),
            rows_in=self.source.rows,
            rows_deleted=counts.deleted,
            rows_updated=counts.updated,
            rows_inserted=counts.inserted,
            rows_doubled=counts.doubled,
            rows_total=self._total(counts),
            schema_changes=[*schema.diff.sentences(), *self.session.losses],
            checks=checks,
        )

    def _total(self, counts: Counts) -> int | None:
        strategy = STRATEGIES[self.plan.strategy]
        wrote_all = strategy.whole and not strategy.history and not self.plan.hooks_post
        return counts.inserted if wrote_all else total_of(self.session, self.table)

    def _decided(self, ledger: Ledger) -> LoadReport | None:
        """Return the report where nothing has to be done, and refuse what must not be done."""
        if check_place(self.session, self.table) == "":
            return None
        if entry := ledger.find(self.plan.load_key):
            if (entry.staged_file, entry.sha256) == (self.source.id, self.source.sha256):
                return report_of(self.session, self.table, entry)
            self._check_attempt(entry)
        interval = self.plan.interval
        if STRATEGIES[self.plan.strategy].whole:
            self._check_empty()
            if interval and self.plan.run_type in _REFUSABLE and ledger.has_newer(interval):
                return LoadReport(
                    str(self.table), self.plan.strategy, "superseded", materialized=False, rows_in=self.source.rows,
                    rows_total=total_of(self.session, self.table),
                )  # fmt: skip
        return None

    def _check_attempt(self, entry: Entry) -> None:
        if self.attempt < entry.attempt:
            raise MaterializeError(
                f"This attempt at loading {self.table} (try {self.attempt.number}) is superseded by a newer one"
                f" (try {entry.try_number}), which committed at {entry.committed_at} UTC"
            )
        if self.plan.strategy != "append" or not entry.rows_inserted + entry.rows_updated:
            return
        fold = self.session.fold
        known = {fold(name) for name in self.session.columns(self.table) or ()}
        declared = {fold(column.name) for column in self.plan.asset.columns}
        if LOAD_KEY_COLUMN not in known & declared:
            raise MaterializeError(
                f"The DAG run {self.plan.run_id} has already appended {entry.rows_inserted} rows to {self.table}, and"
                " nothing in the table says which they are",
                hint=f"declare a column {LOAD_KEY_COLUMN} (varchar) under columns, so that a repeated DAG run"
                " replaces its own rows; or remove them by hand together with the DAG run's row in"
                f" {LEDGER_TABLE} (load_key {self.plan.load_key})",
            )

    def _check_empty(self) -> None:
        options = self.plan.asset.materialization
        if not self.plan.full_refresh or self.source.rows or options is None:
            return
        if options.strategy == "create+replace" or options.allow_empty:
            return
        if rows := self.session.count(self.table):
            raise MaterializeError(
                f"The full refresh has an empty result, and {self.table} has {rows} rows",
                hint="materialization.allow_empty: true lets a full refresh empty the table",
            )

    def _publish(self, schema: SchemaPlan) -> Counts:
        session, plan = self.session, self.plan
        keys, columns = find_keys(session, plan, schema), schema.columns
        check_gaps(self.source, columns)
        if not schema.diff.created:
            check_history(session, self.table, plan, keys)
        if needs_no_staging(session, plan, schema, keys):
            return load_directly(session, self.table, self.source, plan, schema, keys)
        if keys.last:
            columns = (*columns, numbered(columns, session.column_type(ROW_NUMBER)))
        staging = create_staging(session, self.table, columns, keys.primary, self.source.rows)
        session.bulk(staging, staged_schema(columns), staged_batches(self.source, columns, plan.load_key))
        staged = session.count(staging)
        if staged != self.source.rows:
            raise MaterializeError(f"{staged} rows were staged, and the file says {self.source.rows}")
        doubled = session.keep_last(staging, keys.primary, columns[-1].name) if keys.last else 0
        if doubled:
            self.say(f"{self.table}: {doubled} rows of the result gave way to a later one of the same key")
        check_keys(session, staging, keys)
        check_bounds(session, staging, plan, keys)
        filled = apply_schema(session, self.table, schema, plan.asset)
        publication = plan_publication(session, filled, staging, plan, schema, keys)
        check_reach(session, publication, keys)
        counts = publish(session, plan.strategy, publication, keys, staged - doubled)
        if filled != self.table:
            session.end_swap(self.table, filled)
        session.drop_table(staging)
        return replace(counts, doubled=doubled)

    def _entry(self, ledger: Ledger, counts: Counts) -> Entry:
        return new_entry(
            self.plan,
            ledger.target,
            self.attempt,
            staged_file=self.source.id,
            sha256=self.source.sha256,
            rows_in=self.source.rows,
            rows_deleted=counts.deleted,
            rows_updated=counts.updated,
            rows_inserted=counts.inserted,
        )


def _check_asset(destination: Destination, plan: RunPlan, table: Table) -> None:
    if table.name.lower() == LEDGER_TABLE:
        raise MaterializeError(f"{table} is the name of the ledger", hint="give the asset another name")
    options = plan.asset.materialization
    wanted = options.guarantee if options else "exactly_once"
    if plan.strategy == "append" and wanted == "exactly_once" != destination.capabilities.guarantee:
        raise MaterializeError(
            f"{destination.conn_type} cannot promise that rows are appended exactly once",
            hint="materialization.guarantee: at_least_once accepts that a retry may append them again",
        )
