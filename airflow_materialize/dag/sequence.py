"""The steps of one asset, and which of them follow which."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_materialize.dag.ids import check_id

if TYPE_CHECKING:
    from airflow_materialize.definition.model.parsed import Asked, Shape


class Place(NamedTuple):
    """A step in the sequence of its asset.

    Attributes:
        step: Its id within the asset's group.
        after: The steps that it follows.
        asked: The one check that it asks; None where it asks several, or none.
        joins: Whether it only brings together the steps that it follows.
    """

    step: str
    after: tuple[str, ...] = ()
    asked: Asked | None = None
    joins: bool = False


def sequence_of(shape: Shape, *, each: bool = False) -> tuple[Place, ...]:
    """Return the steps of an asset.

    Args:
        shape: What there is to do.
        each: Whether each check is a step of its own. The blocking ones meet again in `check`: what depends on the
            asset waits for one step, however many checks there are.
    """
    places = [Place("run")]
    if shape.table:
        places.append(Place("load", ("run",)))
    last = (places[-1].step,)
    if not each:
        present = {"check": shape.check, "check_warn": shape.check_warn}
        return (*places, *(Place(step, last) for step, is_there in present.items() if is_there))
    # The names of a broken header may stand twice.
    asked = {
        check_id(check.column, check.name): check
        for check in shape.checks
        if (shape.check if check.blocking else shape.check_warn)
    }
    places += [Place(step, last, check) for step, check in asked.items()]
    blocking = tuple(step for step, check in asked.items() if check.blocking)
    return (*places, Place("check", blocking or last, joins=True)) if shape.check else tuple(places)


def gate(shape: Shape) -> str:
    """Return the step that what depends on the asset waits for: the last blocking one."""
    return "check" if shape.check else "load" if shape.table else "run"
