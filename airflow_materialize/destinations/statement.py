"""One statement out of what an author wrote."""

from __future__ import annotations

from typing import NamedTuple

from airflow_materialize.errors import MaterializeError


class Statement(NamedTuple):
    """A statement as it was written, and its words."""

    text: str
    words: tuple[str, ...]


def one_statement(text: str, dialect: str, what: str, *, hint: str) -> Statement:
    """Return the only statement of `text`, without the semicolons and comments behind it.

    Its own characters are kept: generating it anew could change what the author wrote.

    Args:
        text: What the author wrote.
        dialect: The database's, as sqlglot calls it.
        what: What the text is called in errors.
        hint: What would be right in place of none or several.

    Raises:
        MaterializeError: There is no statement, or more than one, or the text cannot be read.
    """
    import sqlglot

    statements: list[list[sqlglot.Token]] = [[]]
    try:
        for token in sqlglot.tokenize(without_jinja(text), read=dialect):
            if token.token_type is sqlglot.TokenType.SEMICOLON:
                statements.append([])
            else:
                statements[-1].append(token)
    except sqlglot.errors.TokenError as error:
        raise MaterializeError(f"{what} is no SQL of {dialect}: {error}") from None
    filled = [tokens for tokens in statements if tokens]
    if len(filled) != 1:
        raise MaterializeError(f"{what} has {len(filled)} statements" if filled else f"{what} is empty", hint=hint)
    return Statement(text[: filled[0][-1].end + 1], tuple(token.text for token in filled[0]))


def without_jinja(text: str) -> str:
    """Return a text of the same length in which sqlglot sees no Jinja comment, as databases see none."""
    return text.replace("{#", " #")
