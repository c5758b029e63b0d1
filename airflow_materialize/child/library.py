"""Lets Python find what is compiled of its standard library, which `pycache_prefix` hides. Imported before all else.

An asset's compiled files have a folder of their own. To compile the library there once more takes a third of the time
in which pyarrow is imported first.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import PathEntryFinder

_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120  # pathlib takes longer to import than all of this
_PACKAGES = ("/site-packages", "/dist-packages")


class LibraryLoader(SourceFileLoader):
    """Reads what is compiled of a module from beside its source, where it is nowhere else."""

    def get_data(self, path: str) -> bytes:
        """Return the bytes of a file. Who asks sees whether they belong to the source."""
        try:
            return super().get_data(path)
        except OSError:
            if not sys.pycache_prefix or not path.startswith(sys.pycache_prefix):
                raise
            folder, _, name = path[len(sys.pycache_prefix) :].rpartition("/")
            return super().get_data(f"{folder}/__pycache__/{name}")


_find = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (LibraryLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def _hook(path: str) -> PathEntryFinder:
    within = path.removeprefix(_LIBRARY)
    if within == path or within[:1] not in ("", "/") or within.startswith(_PACKAGES):
        raise ImportError(path)
    return _find(path)


sys.path_hooks.insert(0, _hook)
for _path in [*sys.path_importer_cache]:
    if _path.startswith(_LIBRARY):
        del sys.path_importer_cache[_path]
