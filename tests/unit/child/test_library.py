"""Python's own library is not compiled once more for each environment."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import subprocess
import sys
import sysconfig

import pytest

from airflow_materialize.child import library

COMPILED = f"json.{sys.implementation.cache_tag}.pyc"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a library, compiled by somebody else from a source of the same size and time."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "own"))
    source = tmp_path / "library/json.py"
    source.parent.mkdir()
    source.write_text("said = 'beside'\n")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    py_compile.compile(source, source.parent / "__pycache__" / COMPILED)
    source.write_text("said = 'source'\n")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    return source


def said(source):
    spec = importlib.util.spec_from_loader("json", library.LibraryLoader("json", str(source)))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded.said, loaded.__file__


def own(source):
    return [*(source.parents[1] / "own").rglob("*.pyc")]


def test_what_lies_beside_the_source_is_run_and_nothing_is_compiled(module):
    assert (said(module), own(module)) == (("beside", str(module)), [])


def test_what_lies_there_of_another_source_is_compiled_to_the_own_place_and_found_there(module):
    module.write_text("said = 'newer'\n")
    assert said(module) == ("newer", str(module))
    (kept,) = own(module)
    assert kept.relative_to(module.parents[1] / "own") == (module.parent / COMPILED).relative_to("/")
    kept.write_bytes(kept.read_bytes().replace(b"newer", b"found"))
    assert said(module) == ("found", str(module))


def test_where_nothing_is_compiled_the_source_is(module):
    (module.parent / "__pycache__" / COMPILED).unlink()
    assert said(module)[0] == "source"
    assert len(own(module)) == 1


def test_modules_of_the_library_alone_are_looked_for_so(tmp_path):
    (tmp_path / "mine.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import airflow_materialize.child.library;"
        "import decimal, json, mine, pyarrow;"
        "print(json.dumps({each.__name__: type(each.__loader__).__name__ for each in (decimal, json, mine, pyarrow)}))"
    )
    command = [sys.executable, "-X", f"pycache_prefix={tmp_path}/own", "-c", code]
    loaders = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert loaders == {
        "decimal": "LibraryLoader", "json": "LibraryLoader", "mine": "SourceFileLoader", "pyarrow": "SourceFileLoader",
    }  # fmt: skip
    names = {path.name for path in (tmp_path / "own").rglob("*.pyc")}
    assert f"mine.{sys.implementation.cache_tag}.pyc" in names
    assert f"decimal.{sys.implementation.cache_tag}.pyc" not in names
    assert sysconfig.get_path("stdlib") == library._LIBRARY
