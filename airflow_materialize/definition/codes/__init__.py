"""The codes of problems. A code never changes its meaning, and one that is given up is never given again."""

from __future__ import annotations

from typing import NamedTuple

from airflow_materialize.definition.codes.headers import OF_HEADERS
from airflow_materialize.definition.codes.processes import OF_PROCESSES
from airflow_materialize.definition.codes.projects import OF_PROJECTS


class Code(NamedTuple):
    """One kind of problem.

    An example is a header, or several files, each below a line `# path`.

    Attributes:
        title: What is wrong, in a few words.
        explanation: Why it is refused, and what to do.
        wrong: An example that has the problem.
        right: The same without it; empty where the cure is none of the file's text.
    """

    title: str
    explanation: str
    wrong: str
    right: str = ""


CODES: dict[str, Code] = {
    code: Code(*texts) for code, texts in sorted({**OF_HEADERS, **OF_PROCESSES, **OF_PROJECTS}.items())
}
"""All codes, sorted: AM0 reading a file, AM1 fields, AM2 loading and checking, AM3 assets among one another, AM4 paths,
AM5 warnings, AM6 glossary, variables, variants and templates, AM7 requirements."""
