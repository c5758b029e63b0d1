"""Holds the size of files and functions: 300 lines, 60 lines. Run by `make lint`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

FILE, BODY = 300, 60


def too_large(path: Path) -> list[str]:
    """Return a line for each thing in one file that is over its size."""
    text = path.read_text()
    lines = len(text.splitlines())
    said = [f"{path}: {lines} lines, {FILE} at most"] if lines > FILE else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1
            if length > BODY:
                said.append(f"{path}:{node.lineno}: {node.name} has {length} lines, {BODY} at most")
    return said


if __name__ == "__main__":
    found = [line for path in sorted(Path("airflow_materialize").rglob("*.py")) for line in too_large(path)]
    print("\n".join(found) or "sizes: all files and functions are within bounds")
    sys.exit(bool(found))
