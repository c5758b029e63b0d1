from __future__ import annotations

import re
from pathlib import Path

import pytest

import airflow_materialize
from airflow_materialize.definition.codes import CODES
from airflow_materialize.definition.project.project import parse_project

PACKAGE = Path(airflow_materialize.__file__).parent
CODE = re.compile(r"\bAM\d{3}\b")
PATH_LINE = re.compile(r"^# (\S+\.\w+|\.airflowignore)\n", re.MULTILINE)

# Examples that no files of a pipeline alone can show.
NOT_BY_FILES = {
    **dict.fromkeys(("AM001", "AM004", "AM011", "AM602", "AM641"), "its example is in words"),
    **dict.fromkeys(("AM404", "AM405"), "of the command line and of the loader file"),
    **dict.fromkeys(
        ("AM503", "AM701", "AM702", "AM703", "AM704", "AM705", "AM706", "AM707", "AM708", "AM711"),
        "found beyond the parse",
    ),
}


def used():
    """The codes that stand in the package, beside the texts about them."""
    files = [file for file in PACKAGE.rglob("*.py") if not file.name.startswith("codes")]
    return {code for file in files for code in CODE.findall(file.read_text())}


def test_every_code_that_is_used_has_its_texts_and_none_is_left_over():
    assert used() == CODES.keys()


def test_no_problem_is_made_without_a_code():
    calls = re.compile(r"(?<![\w.])(?:Problem|refuse|unreadable)\(")
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text()
        for call in calls.finditer(text):
            line = text[text.rfind("\n", 0, call.start()) + 1 : call.start()]
            if line.split()[-1:] in (["def"], ["class"]):
                continue
            assert "code" in _arguments(text, call.end()), f"{file}: {text[call.start() : call.end() + 60]}"


def _arguments(text, start):
    depth, at = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at]


def test_a_code_has_a_title_an_explanation_and_an_example():
    for code, entry in CODES.items():
        assert CODE.fullmatch(code)
        assert entry.title, code
        assert not entry.title.endswith("."), code
        assert entry.explanation.endswith("."), code
        assert entry.wrong, code
    assert list(CODES) == sorted(CODES)
    assert len({entry.title for entry in CODES.values()}) == len(CODES)


def files_of(example):
    """The files of an example: one header, or several files below lines `# path`."""
    parts = PATH_LINE.split(example)
    if len(parts) == 1:
        return {"shop/assets/orders.py": block(example)}
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {_place(path): block(text) if path.endswith(".py") else text for path, text in pairs}


def _place(path):
    return path.removeprefix("../") if path.startswith("../") else f"shop/{path}"


def block(text):
    return text if "@bruin" in text else f'"""@bruin\n{text}\n@bruin"""\n' if text.strip() else text


def codes_of(root):
    found = set()
    for pipeline in parse_project(root):
        found |= {problem.code for problem in (*pipeline.problems, *pipeline.warnings)}
        for asset in pipeline.assets:
            found |= {problem.code for problem in (*asset.problems, *asset.warnings)}
    return found


@pytest.fixture
def example(write):
    def _example(text):
        files = {"shop/pipeline.yml": "name: shop\ndefault_connections: {duckdb: warehouse}\n"}
        files["shop/assets/neighbour.py"] = block("name: neighbour")
        return codes_of(write({name: text.encode() for name, text in {**files, **files_of(text)}.items()}))

    return _example


SHOWN = [code for code in CODES if code not in NOT_BY_FILES]


@pytest.mark.parametrize("code", SHOWN)
def test_the_wrong_example_of_a_code_has_its_problem(example, code):
    assert code in example(CODES[code].wrong)


@pytest.mark.parametrize("code", [code for code in SHOWN if CODES[code].right])
def test_the_right_example_of_a_code_has_no_problem_of_it(example, code):
    assert code not in example(CODES[code].right)
