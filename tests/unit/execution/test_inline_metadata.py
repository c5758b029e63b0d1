from __future__ import annotations

import platform
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.requirements import find_requirements, python_version
from airflow_materialize.execution.environments.uv_settings import uv_toml, write_project
from airflow_materialize.execution.failure import explain_failure

OWN = platform.python_version().rpartition(".")[0]
HEADER = '"""@bruin\nname: raw.orders\n@bruin"""\n'
BLOCK = """# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "six==1.17.0",
#   "tabulate",
# ]
# ///
"""


@pytest.fixture
def script(tmp_path):
    """Write an asset's file and read what it needs."""

    def write(text, *, requirements=""):
        (tmp_path / "orders.py").write_text(text)
        if requirements:
            (tmp_path / "requirements.txt").write_text(requirements)
        return find_requirements(tmp_path / "orders.py", tmp_path)

    return write


def message(script, text):
    with pytest.raises(AssetError) as caught:
        script(text)
    [problem] = caught.value.problems
    assert problem.code in {"AM702", "AM706"}
    return f"{Path(problem.file).name}:{problem.line}:{problem.column}: {problem.message} ({problem.hint})"


def test_a_script_that_says_what_it_needs_counts_alone_with_the_lines_of_its_file(script, tmp_path):
    found = script(HEADER + "import six\n\n" + BLOCK, requirements="pandas\n")
    assert [(line.file, line.number, line.text, line.name) for line in found.lines] == [
        (tmp_path / "orders.py", 9, "six==1.17.0", "six"),
        (tmp_path / "orders.py", 10, "tabulate", "tabulate"),
    ]
    assert (found.path, found.requires_python, found.inline) == (tmp_path / "orders.py", ">=3.10", True)


def test_a_script_without_the_block_has_its_requirements_file(script, tmp_path):
    found = script(HEADER + "# /// other\n# dependencies = 1\n# ///\n", requirements="six\n")
    assert (found.path, found.inline) == (tmp_path / "requirements.txt", False)


def test_an_empty_block_asks_for_nothing(script):
    found = script("# /// script\n# ///\n", requirements="six\n")
    assert (found.lines, found.inline, found.requires_python) == ((), True, "")


def test_a_comment_may_go_on_behind_the_block(script):
    assert [line.text for line in script("# /// script\n# dependencies = ['six']\n# ///\n# more\n").lines] == ["six"]


def test_windows_line_ends_are_line_ends(script):
    assert len(script(BLOCK.replace("\n", "\r\n")).lines) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "x = 1\n# /// script\n# dependencies = []\n",
            "orders.py:2:1: the block of inline metadata is opened here and never closed (end it with a line '# ///')",
        ),
        (
            f"{BLOCK}\n{BLOCK}",
            "orders.py:9:1: a second block of inline metadata; the first one starts on line 1 (keep one)",
        ),
        (
            "\n# /// script\n# dependencies = [six]\n# ///\n",
            "orders.py:3:19: is not TOML: Invalid value (correct its syntax)",
        ),
        (
            '# /// script\n# dependencies = "six"\n# ///\n',
            'orders.py:2:3: dependencies is not a list of texts (write it as ["pandas>=2.2"])',
        ),
        (
            "# /// script\n#\n# requires-python = 3.11\n# ///\n",
            'orders.py:3:3: requires-python 3.11 is no version condition (write it as ">=3.11")',
        ),
        (
            "# /// script\n# requires-python = 'new'\n# ///\n",
            "orders.py:2:3: requires-python 'new' is no version condition (write it as \">=3.11\")",
        ),
        (
            "# /// script\n# dependancies = []\n# ///\n",
            "orders.py:2:3: unknown field 'dependancies' in `# /// script` (did you mean 'dependencies'?)",
        ),
        (
            "# ///script\n# dependencies = []\n# ///\n",
            "orders.py:1:1: '# ///script' opens no block of inline metadata (write it as '# /// script')",
        ),
    ],
)
def test_a_block_that_cannot_be_used_is_an_error_at_its_line(script, text, expected):
    assert message(script, text) == expected


def test_a_line_that_is_no_requirement_is_named_at_its_line(script):
    assert message(script, '# /// script\n# dependencies = [\n#   "six=1",\n# ]\n# ///\n').startswith(
        "orders.py:3:4: 'six=1' is not a requirement: "
    )


def test_requires_python_is_a_condition_for_the_image_and_the_python(script, tmp_path):
    requirements = script('# /// script\n# requires-python = ">=3.13"\n# ///\n')
    assert python_version("python:3.13", requirements, "") == "3.13"
    with pytest.raises(MaterializeError) as caught:
        python_version("python:3.11", requirements, "")
    assert str(caught.value).startswith(
        f"{tmp_path}/orders.py: requires-python is '>=3.13', which excludes Python 3.11 (image: python:3.11)"
    )


def test_code_that_changes_around_a_block_leaves_the_environment_as_it_is(script):
    assert script(BLOCK).digest == script(f"{HEADER}import six\n{BLOCK}\nx = 1\n").digest != script("").digest


def test_settings_and_sources_of_uv_are_handed_over_with_full_paths(script, tmp_path):
    text = (
        '# /// script\n# dependencies = ["grün; python_version > \'3\'"]\n# [tool.uv]\n# exclude-newer = "2026-01-01"\n'
        '# managed = true\n# find-links = ["wheels", "https://x/y"]\n# index = [{name = "own", url = "https://i"}]\n'
        '# [tool.uv.sources]\n# a = { path = "../lib", editable = false }\n# b = [{ index = "own", marker = "m" }]\n# ///\n'
    )
    with pytest.raises(AssetError):
        script(text)
    found = script(text.replace("grün", "green"))
    project, settings = write_project(found, tmp_path), uv_toml(found, [])
    index = [{"name": "own", "url": "https://i"}]
    assert tomllib.loads(project.read_text()) == {
        "project": {"name": "asset", "version": "0", "dependencies": ["green; python_version > '3'"]},
        "tool": {
            "uv": {
                "index": index,
                "sources": {
                    "a": {"path": f"{tmp_path}/../lib", "editable": False},
                    "b": [{"index": "own", "marker": "m"}],
                },
            }
        },
    }
    assert tomllib.loads(settings) == {
        "exclude-newer": "2026-01-01",
        "find-links": [f"{tmp_path}/wheels", "https://x/y"],
        "index": index,
    }


def test_what_the_block_asks_for_is_installed_from_where_it_says(script, folder, log, tmp_path):
    with zipfile.ZipFile(tmp_path / "ours-1.0-py3-none-any.whl", "w") as wheel:
        info = "ours-1.0.dist-info"
        wheel.writestr("ours.py", "mine = True\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"ours.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    found = script(
        '# /// script\n# dependencies = ["ours", "six"]\n# [tool.uv]\n# constraint-dependencies = ["six<1.17"]\n'
        '# [tool.uv.sources]\n# ours = { path = "ours-1.0-py3-none-any.whl" }\n# ///\n'
    )
    environment = ensure_environment(found, OWN, folder, log)
    code = "import ours, six; print(ours.mine, six.__version__)"
    done = subprocess.run([environment.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True 1.16.0\n"


def test_a_requirement_that_does_not_resolve_is_an_error_at_its_line(script, folder, log, tmp_path):
    found = script('# /// script\n# dependencies = [\n#   "six",\n#   "no-such-package-of-ours==1",\n# ]\n# ///\n')
    with pytest.raises(AssetError) as caught:
        ensure_environment(found, OWN, folder, log)
    assert str(caught.value).startswith(f"{tmp_path}/orders.py:4:1: 'no-such-package-of-ours==1' does not resolve: ")


def test_a_missing_module_is_to_be_added_to_the_block(run, plain_environment, script, tmp_path):
    result = run(plain_environment, "import pandas\n")
    said = str(explain_failure(result, "raw.orders", run.file, script(BLOCK)))
    assert f"(often pandas) to the block `# /// script` of {tmp_path}/orders.py" in said
