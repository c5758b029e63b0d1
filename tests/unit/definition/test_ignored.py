from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from airflow_materialize.definition.project.ignored import Discovery, discovery_top, warn_of_imports
from airflow_materialize.definition.project.project import parse_project

# Airflow reads it when it is first imported, and writes its configuration there.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))

MENTION = "from airflow_materialize.sdk import context  # an asset\n"
HEADER = '"""@bruin\nowner: me\n@bruin"""\n'


@pytest.fixture
def imported(write):
    """The files that Airflow would import, and what it says itself."""

    def _imported(files, syntax="glob", **more):
        root = write(files)
        discovery = Discovery(root, syntax, **more)
        ours = {path for path in files if path.endswith(".py") and discovery.imports(root / path)}
        return ours, _airflow(root, syntax)

    return _imported


def _airflow(root, syntax):
    """Ask Airflow itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # It names its patterns by their former name.
        from airflow._shared.module_loading.file_discovery import find_path_from_directory
        from airflow.utils.file import might_contain_dag_via_default_heuristic

        found = [Path(path) for path in find_path_from_directory(root, ".airflowignore", syntax)]
    return {
        path.relative_to(root).as_posix()
        for path in found
        if path.suffix == ".py" and might_contain_dag_via_default_heuristic(str(path))
    }


TREE = {
    "sales/assets/orders.py": MENTION,
    "sales/assets/deep/er/more.py": MENTION,
    "sales/assets/silent.py": "import pandas  # an asset\n",
    "sales/assets/lib.py": "AIRFLOW = 'a DAG'\n",
    "sales/tasks/old.py": MENTION,
    "other/assets/keep.py": MENTION,
}


@pytest.mark.parametrize(
    "ignore",
    [
        {},
        {".airflowignore": "**/assets/\n**/tasks/\n"},
        {".airflowignore": "assets/\n"},
        {".airflowignore": "/*/assets/\n"},
        {".airflowignore": "/sales/\n"},
        {".airflowignore": "/\n\n# all\nlib.py  # helpers\n"},
        {".airflowignore": "*.py\n!keep.py\n"},
        {".airflowignore": "assets/\n!/other/assets/\n"},
        {".airflowignore": "sales/assets/*.py\n"},
        {"sales/.airflowignore": "/assets/deep/\n"},
        {".airflowignore": "deep\n", "sales/assets/.airflowignore": "!deep\nlib.*\n"},
        {"sales/assets/.airflowignore": "*\n"},
        {".airflowignore": "orders.py/\n"},
    ],
)
def test_the_answer_is_that_of_airflow(imported, ignore):
    ours, theirs = imported({**TREE, **ignore})
    assert ours == theirs
    assert "sales/assets/silent.py" not in ours


@pytest.mark.parametrize("ignore", ["assets/", "^sales", "deep/.*", "(", "a.*s/orders\\.py$\nold"])
def test_the_answer_is_that_of_airflow_for_regular_expressions_too(imported, ignore):
    ours, theirs = imported({**TREE, ".airflowignore": ignore}, "regexp")
    assert ours == theirs


def test_without_safe_mode_every_python_file_counts(imported):
    ours, _ = imported({**TREE, ".airflowignore": "assets/\n"}, safe_mode=False)
    assert ours == {"sales/tasks/old.py"}


def test_a_file_that_airflow_would_import_is_a_warning_with_the_line_to_add(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/orders.py": HEADER + MENTION,
        "sales/assets/lib/helpers.py": MENTION,
        "sales/assets/quiet.py": HEADER,
        "bare/a[1].py": HEADER + MENTION,
    }
    root = write(files)
    bare, sales = warn_of_imports(parse_project(root), root, Discovery(root))
    message = "warning: Airflow imports this file, and so runs it, at every parse"
    where = "to .airflowignore in the folder of all pipelines"
    assert list(map(str, sales.warnings)) == [
        f"sales/assets/lib/helpers.py: {message} (add the line **/assets/ {where})",
        f"sales/assets/orders.py: {message} (add the line **/assets/ {where})",
    ]
    assert list(map(str, bare.warnings)) == [f"bare/a[1].py: {message} (add the line /bare/a\\[1\\].py {where})"]
    assert {warning.code for warning in (*bare.warnings, *sales.warnings)} == {"AM503"}


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_the_line_that_a_warning_tells_is_the_cure(write, syntax):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/orders.py": HEADER + MENTION,
        "bare/a[1].py": HEADER + MENTION,
    }
    root = write(files)
    found = [w for p in warn_of_imports(parse_project(root), root, Discovery(root, syntax)) for w in p.warnings]
    lines = [warning.hint.removeprefix("add the line ").partition(" to ")[0] for warning in found]
    assert len(lines) == 2
    (root / ".airflowignore").write_text("\n".join(lines))
    cured = warn_of_imports(parse_project(root), root, Discovery(root, syntax))
    assert [warning for pipeline in cured for warning in pipeline.warnings] == []


def test_the_walk_starts_where_airflow_starts(write):
    root = write({"a/b/c/x": "", "a/.airflowignore": "", "a/b/.airflowignore": ""})
    assert discovery_top(root / "a/b/c", root) == root
    assert discovery_top(root / "a/b/c", root / "elsewhere") == root / "a"
    assert discovery_top(root, root / "elsewhere") == root


def test_the_library_of_patterns_is_imported_only_where_it_is_needed(write):
    root = write({"sales/assets/quiet.py": HEADER, ".airflowignore": "x/\n"})
    script = (
        "import sys; from pathlib import Path\n"
        "from airflow_materialize.definition.project.ignored import Discovery\n"
        "Discovery(Path(sys.argv[1])).imports(Path(sys.argv[1]) / 'sales/assets/quiet.py')\n"
        "sys.exit('pathspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(root)], check=False).returncode == 0


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_not_opened(write):
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/orders.py": HEADER + MENTION})
    os.mkfifo(root / "sales/assets/pipe.py")
    os.mkfifo(root / ".airflowignore")
    [pipeline] = warn_of_imports(parse_project(root), root, Discovery(root))
    assert [warning.file for warning in pipeline.warnings] == ["sales/assets/orders.py"]
