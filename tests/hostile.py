"""Assets that look for a secret wherever they may look, and say what they found. One ends well, one badly, one crashes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airflow_materialize.execution import probe

ENDS = {"well": "return [{'a': 1}]", "badly": "raise ValueError('no')", "crashing": "os.kill(os.getpid(), 11)"}
_BACKEND = """
import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    found = look(WORD.encode(), range(os.getppid() - 3, os.getpid()), FOLDERS)
    info = "spied-1.dist-info"
    files = {
        "spied.py": f"FOUND = {found!r}",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: spied\\nVersion: 1\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(wheel_directory, "spied-1-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "spied-1-py3-none-any.whl"
"""
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


def write_spying_package(folder: Path, word: str, looked_through: Iterable[Path] = ()) -> None:
    """Write the source of a package `spied`: its build looks, and `spied.FOUND` is what it found."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "spied"\nversion = "1"\n'
    )
    half = len(word) // 2
    known = f"WORD = {word[:half]!r} + {word[half:]!r}\nFOLDERS = {[*map(str, looked_through)]}\n"
    (folder / "backend.py").write_text(f"{_PROBE}\n{known}{_BACKEND}")
