"""Assets that look for a secret wherever they may look, and say what they found. One ends well, one badly, one crashes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airflow_materialize.execution import probe

ENDS = {"well": "return [{'a': 1}]", "badly": "raise ValueError('no')", "crashing": "os.kill(os.getpid(), 11)"}
_PROBE = Path(probe.__file__).read_text().partition('"""\n')[2]


def write_spies(folder: Path, word: str, looked_through: Iterable[Path] = (), name: str = "{}") -> None:
    """Write the three assets.

    Args:
        folder: Of assets.
        word: The secret. Only halves of it stand in the files.
        looked_through: Folders whose files are read.
        name: The pattern of the assets' names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    halves = f"{word[: len(word) // 2]!r} + {word[len(word) // 2 :]!r}"
    for end, then in ENDS.items():
        (folder / f"{end}.py").write_text(
            f'"""@bruin\nname: {name.format(end)}\nmaterialization: {{type: table}}\n@bruin"""\n{_PROBE}\n'
            f"def materialize():\n    found = look(({halves}).encode(), range(os.getppid() - 3, os.getpid()),"
            f" {[*map(str, looked_through)]})\n    print('found', json.dumps(found), 'end')\n    {then}\n"
        )
