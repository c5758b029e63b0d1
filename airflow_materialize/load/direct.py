"""The short way: rows that need no staging table go from the file straight into the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_materialize.load.creation import apply_schema
from airflow_materialize.load.keys import check_keys
from airflow_materialize.load.publication import Counts, check_arrival, plan_publication
from airflow_materialize.load.staging import staged_batches, staged_schema
from airflow_materialize.load.strategies import statements_for

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.changes import SchemaPlan
    from airflow_materialize.load.keys import Keys
    from airflow_materialize.load.staging import Source
    from airflow_materialize.plan.run_plan import RunPlan

_STRATEGIES = frozenset({"append", "create+replace", "truncate+insert"})


def needs_no_staging(session: Session, plan: RunPlan, schema: SchemaPlan, keys: Keys) -> bool:
    """Whether all that a strategy does with the rows is to insert them.

    Half of the time of such a load is a second copy otherwise. Where a change of columns is not rolled back, rows are
    looked at before anything changes, in a staging table; not so before a swap, which changes nothing until its end,
    nor for a new table, which is dropped again.
    There they wait, too, where a swap keeps readers out.
    """
    changes_stay = bool(schema.diff) and not (schema.diff.swapped or schema.diff.created or session.changes_roll_back)
    locks = schema.diff.swapped and session.swaps_lock_readers
    return plan.strategy in _STRATEGIES and not (keys.last or schema.filled or changes_stay or locks)


def load_directly(
    session: Session, table: Table, source: Source, plan: RunPlan, schema: SchemaPlan, keys: Keys
) -> Counts:
    """Do the load in the table itself; whatever is wrong with a row takes the transaction back.

    Args:
        session: An open session, inside of the load's transaction.
        table: The table; it need not exist.
        source: The result.
        plan: What the DAG run does.
        schema: What happens to the table's columns.
        keys: What the next load goes by; looked at where the result is all that the table holds.

    Raises:
        MaterializeError: A row does not fit, or the counts do not add up.
    """
    filled = apply_schema(session, table, schema, plan.asset)
    publication = plan_publication(session, filled, filled, plan, schema, keys)
    statements = statements_for(plan.strategy, session, publication)
    deleted = sum(session.apply(each) for each in statements if each.counts == "deleted")
    inserted = session.bulk(
        filled, staged_schema(schema.columns), staged_batches(source, schema.columns, plan.load_key)
    )
    check_arrival(publication, inserted, source.rows)
    check_keys(session, filled, keys)
    if filled != table:
        session.end_swap(table, filled)
    return Counts(deleted=deleted, inserted=inserted)
