"""Imports an asset's file as Python would, from the bytes that were checked."""

from __future__ import annotations

import linecache
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source, module_from_spec, spec_from_file_location
from types import ModuleType

from airflow_materialize.sdk.whole import NEIGHBOURS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType
    from typing import Any

_MARKER = re.compile(rb"@(bruin|asset)\b")
_HEADER_BYTES = 65_536


class LibrariesBeforeAssets:
    """Finds the library where an asset's file has the same name.

    An asset named after what it reads, as `holidays.py` or `stripe.py`, stands on `sys.path` before the library and
    would hide it from itself and from its neighbours. Modules that are no assets come first, as always.
    """

    def __init__(self, folders: Sequence[str], file: str) -> None:
        self._folders = list(folders)
        self._file = file

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where the library is, or None to leave the name to the finders that follow."""
        if path is not None:
            return None
        found = PathFinder.find_spec(name, self._folders, target)
        if found is None or not found.origin or not self._is_asset(found.origin):
            return None
        others = [folder for folder in sys.path if folder not in self._folders]
        return PathFinder.find_spec(name, others, target)

    def _is_asset(self, file: str) -> bool:
        if file == self._file:
            return True
        try:
            with open(file, "rb") as source:  # noqa: PTH123  # pathlib takes longer to import than all of this
                return bool(_MARKER.search(source.read(_HEADER_BYTES)))
        except OSError:
            return False


def prepare_path(folders: Sequence[str], file: str) -> None:
    """Let user code's imports look into `folders` first, and those of this package not at all."""
    NEIGHBOURS[:] = folders
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    place = next((place for place, finder in enumerate(sys.meta_path) if finder is PathFinder), len(sys.meta_path))
    sys.meta_path.insert(place, LibrariesBeforeAssets(folders, file))


def module_name(file: str, folders: Sequence[str]) -> str:
    """Return the asset's dotted name below the outermost folder of the search path that holds it, as Bruin names it."""
    inside = [folder.rstrip("/") for folder in folders if file.startswith(folder.rstrip("/") + "/")]
    base = min(inside, key=len, default=file.rpartition("/")[0])
    *packages, last = file[len(base) + 1 :].split("/")
    return ".".join([*packages, last.rpartition(".")[0] or last])


def import_asset(source: bytes, file: str, name: str) -> ModuleType:
    """Run the module and return it. It stands in `sys.modules`, so that pickle, dataclasses and inspect find it."""
    spec = spec_from_file_location(name, file, loader=SourceFileLoader(name, file))
    if spec is None:
        raise ImportError(f"{file} cannot be imported", path=file)
    module = module_from_spec(spec)
    sys.modules[name] = module
    exec(_compiled(source, file), module.__dict__)  # noqa: S102  # running the asset is the purpose
    return module


def run_script(source: bytes, file: str) -> None:
    """Run the file as `__main__`."""
    module = ModuleType("__main__")
    module.__file__ = file
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    exec(_compiled(source, file), module.__dict__)  # noqa: S102  # running the asset is the purpose


def _compiled(source: bytes, file: str) -> CodeType:
    """Compile the bytes, and keep their lines for tracebacks: the file may change while the asset runs."""
    code = compile(source, file, "exec", dont_inherit=True)
    text = decode_source(source)
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return code
