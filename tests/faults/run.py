"""The long run of all campaigns, with a table of what they found: `make faults N=1000`.

`python tests/faults/run.py --trials N --seed S --kinds duckdb postgres --write docs/reliability.md` repeats one of them.
A seed gives the same faults; where a random kill strikes depends on the machine.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import campaigns  # noqa: E402  # found by the line above
import files  # noqa: E402
import outages  # noqa: E402
from databases import SERVERS, databases  # noqa: E402
from places import EMBEDDED, Place, nursery_of, place_of  # noqa: E402
from proxy import breaking  # noqa: E402
from servers import own_server  # noqa: E402
from swaps import swaps  # noqa: E402

from airflow_materialize import __version__  # noqa: E402
from airflow_materialize.destinations import MODULES  # noqa: E402

if TYPE_CHECKING:
    from verdicts import Verdicts

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEAD = "| destination | campaign | trials | lost | doubled | unexpected | stale | failed | left over | seconds |"
RULE = "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"


@contextmanager
def places(kind: str) -> Iterator[Callable[[], Place]]:
    """Yield what makes an empty place of a kind."""
    with nursery_of([kind]) as nursery, databases() as database, tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))

        def empty(_: str) -> str:
            database(kind).empty()
            return database(kind).url

        def make() -> Place:
            own = Path(folder, str(next(count)))
            own.mkdir()
            return place_of(kind, own, nursery, empty)

        yield make


def runs(kind: str, trials: int, seed: int) -> Iterator[tuple[str, Callable[[Place], Verdicts]]]:
    """Yield the campaigns of a kind, each with its name; `trials` is what one strategy's kills take."""
    for strategy in campaigns.STRATEGIES:
        yield f"kills, {strategy}", lambda place, s=strategy: campaigns.kills(place, s, trials, seed)
    if kind == "duckdb":
        for strategy in campaigns.REPLACING:
            yield f"kills, {strategy} as of many rows", lambda place, s=strategy: _as_large(place, s, trials, seed)
    share = -(-trials // 8)
    for strategy in campaigns.STRATEGIES:
        yield f"zombies, {strategy}", lambda place, s=strategy: campaigns.zombies(place, s, share, seed)
    yield "replacements by other columns killed", lambda place: swaps(place, trials, seed)
    yield "first loads killed", lambda place: campaigns.first_loads(place, -(-trials // 5), seed)
    days = max(8, trials * 365 // 1000)
    yield f"{days} days twice by 16 writers", lambda place: campaigns.intervals(place, days, 16, seed)
    yield "replaces under a reader", lambda place: campaigns.reader(place, trials, seed)
    yield "random programs at once", lambda place: campaigns.programs(place, -(-trials // 5), seed)
    yield "the same load three times at once", lambda place: campaigns.at_once(place, -(-trials // 10), seed)
    if kind in SERVERS:
        yield "COMMIT without an answer", lambda place: _dropped(place, -(-trials * 3 // 10), seed)


def _as_large(place: Place, strategy: str, trials: int, seed: int) -> Verdicts:
    place.as_large = True
    try:
        return campaigns.kills(place, strategy, trials, seed)
    finally:
        place.as_large = False


def _dropped(place: Place, trials: int, seed: int) -> Verdicts:
    with breaking(place.url) as proxy:
        return outages.dropped_commits(place, proxy, trials, seed)


def _killed_servers(kind: str, trials: int, seed: int) -> Verdicts:
    with (
        tempfile.TemporaryDirectory() as folder,
        nursery_of([kind]) as nursery,
        own_server(kind, Path(folder)) as server,
    ):
        place = place_of(kind, Path(folder), nursery, lambda _: server.url)
        return outages.dead_servers(place, server, trials, seed)


def _mutations(trials: int, seed: int) -> Verdicts:
    with tempfile.TemporaryDirectory() as folder:
        return files.mutations(Path(folder), trials, seed)


def report(kind: str, name: str, run: Callable[[], Verdicts]) -> tuple[str, bool]:
    """Run one campaign and return its line of the table, and whether it found nothing."""
    began = time.monotonic()
    found = run()
    line = (
        f"| {kind} | {name} | {found.trials:,} | {found.lost} | {found.doubled} | {found.unexpected} | {found.stale}"
        f" | {found.failed} | {found.left} | {time.monotonic() - began:.0f} |"
    )
    print(line, flush=True)
    for note in found.notes:
        print(f"  {note}", flush=True)
    return line, found.clean


def main() -> int:
    """Run what was asked for; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="kills of each strategy; the others follow from it")
    parser.add_argument("--seed", type=int, default=campaigns.seed_of_today())
    parser.add_argument("--kinds", nargs="+", default=[*MODULES], choices=[*MODULES])
    parser.add_argument("--only", default="", help="campaigns whose name has this in it")
    parser.add_argument("--write", type=Path, help="a page whose figures are replaced by these")
    asked = parser.parse_args()
    print(f"seed {asked.seed}\n{HEAD}\n{RULE}", flush=True)
    found = []
    for kind in asked.kinds:
        with places(kind) as make:
            for name, run in runs(kind, asked.trials, asked.seed):
                if asked.only in name:
                    found.append(report(kind, name, lambda run=run: run(make())))
        if kind not in EMBEDDED and asked.only in "server killed":
            share = -(-asked.trials // 10)
            found.append(report(kind, "server killed", lambda k=kind, n=share: _killed_servers(k, n, asked.seed)))
    if asked.only in "staged files changed":
        found.append(report("any", "staged files changed", lambda: _mutations(100 * asked.trials, asked.seed)))
    if asked.write:
        write(asked.write, asked.seed, [line for line, _ in found])
    return 0 if all(clean for _, clean in found) else 1


def write(page: Path, seed: int, lines: list[str]) -> None:
    """Put the figures between their marks in a page."""
    text = page.read_text()
    before, rest = text.split(BEGIN)
    _, behind = rest.split(END)
    when = datetime.now(UTC).date()
    said = f"Version {__version__}, {when}, seed {seed}, CPython {platform.python_version()}."
    page.write_text(f"{before}{BEGIN}\n{said}\n\n{HEAD}\n{RULE}\n" + "\n".join(lines) + f"\n{END}{behind}")


if __name__ == "__main__":
    sys.exit(main())
