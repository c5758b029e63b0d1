"""How often, how long and where the tasks of an asset run: from the words of a header to arguments of operators."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.model.retries import Retries
from airflow_materialize.definition.text.fields import parse_duration

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.definition.model.parsed import Asked, ParsedAsset
    from airflow_materialize.definition.model.pipeline import Pipeline
    from airflow_materialize.definition.model.stated import Summary
    from airflow_materialize.report import Verdict

# What passes by itself (a lock, a lost connection) has passed after a minute or needs a person. All other failures
# of these steps end at once, whatever the number of retries.
_SAFE_RETRIES = 2
_SAFE_DELAY = timedelta(seconds=30)

# More does not fit everywhere in Airflow.
_LONGEST = timedelta(days=365)
_MOST = 10_000


def run_policy(parsed: ParsedAsset, pipeline: Pipeline) -> dict[str, Any]:
    """Return the arguments of `run` about retries and time. What neither asset nor pipeline says is left to Airflow."""
    stated, own = parsed.summary, parsed.summary.retries
    rule = own if isinstance(own, Retries) else None
    number = own.max if isinstance(own, Retries) else pipeline.retries if own is None else own
    policy: dict[str, Any] = {
        "retries": None if number is None else min(number, _MOST),
        "retry_delay": _delay(stated, rule),
        "max_retry_delay": _pause(rule.max_delay) if rule and rule.max_delay else None,
        "execution_timeout": parse_duration(stated.timeout) if stated.timeout else None,
    }
    if rule and rule.backoff:
        policy["retry_exponential_backoff"] = _backoff(rule.backoff)
    return {name: value for name, value in policy.items() if value is not None}


def load_policy() -> dict[str, Any]:
    """Return the arguments of `load` about retries."""
    return {"retries": _SAFE_RETRIES, "retry_delay": _SAFE_DELAY}


def narrowed(asset: Asset, asked: Asked) -> Asset:
    """Return an asset with the one check that is asked, if it still has it."""
    own = [check for check in asset.custom_checks if not asked.column and check.name == asked.name]
    columns = [column for column in asset.columns if column.name == asked.column]
    kept = [
        column.model_copy(update={"checks": tuple(check for check in column.checks if check.name == asked.name)})
        for column in columns
    ]
    return asset.model_copy(update={"columns": tuple(kept), "custom_checks": tuple(own)})


def check_policy(stated: Summary, asked: Asked | None, *, blocking: bool) -> dict[str, Any]:
    """Return the arguments of a check step about retries: as many as the most patient of its checks asks for.

    Args:
        stated: The asset.
        asked: The one check that the step is about.
        blocking: Where it is about several, which: those that others wait for, or the rest.
    """
    wanted = None if asked is None else tuple(asked)
    retries = [
        check.retries
        for check in stated.patience
        if (check.blocking == blocking if wanted is None else (check.column, check.name, check.blocking) == wanted)
    ]
    return {**load_policy(), "retries": min(_MOST, max([_SAFE_RETRIES, *retries]))}


def place_policy(stated: Summary) -> dict[str, Any]:
    """Return where all steps of an asset run: `pool:NAME` is a pool, `queue:NAME` and a bare name are a queue.

    LocalExecutor knows no queues, so sizes of machines, which Bruin's assets have there, do no harm.
    """
    kind, _, name = stated.instance.strip().rpartition(":")
    return {"pool" if kind == "pool" else "queue": name} if name else {}


def is_retried(asset: Asset | None, kinds: Iterable[str]) -> bool:
    """Whether an exception of user code is worth another attempt.

    Args:
        asset: Its `retries` may name the exceptions, in full (`requests.exceptions.Timeout`), as they are imported
            (`requests.Timeout`) or by their last word. Where it names none, all are.
        kinds: The names of the exception's class and of its bases; none where it is not user code that failed.
    """
    rule = asset.retries if asset else None
    found = tuple(kinds)
    if not isinstance(rule, Retries) or not rule.on or not found:
        return True
    return any(_is_kind(name, kind) for name in rule.on for kind in found)


def patience(asset: Asset, failed: Iterable[Verdict]) -> int:
    """Return how often the most patient of the checks that failed is tried again."""
    retries: dict[tuple[str, str], int] = {(check.name, ""): check.retries or 0 for check in asset.custom_checks}
    for column in asset.columns:
        retries |= {(check.name, column.name): check.retries or 0 for check in column.checks}
    return max((retries.get((verdict.check, verdict.column), 0) for verdict in failed), default=0)


def _is_kind(name: str, kind: str) -> bool:
    return name == kind or ("." in name and _ends(name) == _ends(kind))


def _ends(name: str) -> tuple[str, str]:
    """Return a name's package and last word: classes are imported from elsewhere than where they are defined."""
    return name.partition(".")[0], name.rpartition(".")[2]


def _delay(stated: Summary, rule: Retries | None) -> timedelta | None:
    if rule and rule.delay is not None:
        return _pause(rule.delay)
    cooldown = stated.rerun_cooldown
    # Zero is Bruin's word for "nothing said", and -1 for none.
    return _pause(max(0, cooldown)) if cooldown else None


def _pause(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, _LONGEST.total_seconds()))


def _backoff(factor: float) -> float | bool:
    """Return how the pause grows, as the installed Airflow takes it: before 3.2 it doubles, or does not."""
    from airflow.sdk import BaseOperator

    return factor > 1 if isinstance(BaseOperator.retry_exponential_backoff, bool) else factor
