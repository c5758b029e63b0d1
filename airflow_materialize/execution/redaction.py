"""Masks secret values in text, in whatever form user code or a library writes them."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

# Shorter values stand in ordinary words.
SHORTEST_SECRET = 4

# Of base64 text so much must be left between characters that depend on what stands beside the secret.
_SHORTEST_BASE64 = 8


class Redactor:
    """Masks secret values in text, also where they are encoded for URLs, JSON, Python, HTML, base64 or as digits.

    Args:
        secrets: The values. Each line of one of several lines counts on its own, as logs are lines.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in all_forms(secret) if len(form) >= SHORTEST_SECRET}
        self._pattern = re.compile("|".join(re.escape(form) for form in sorted(known, key=len, reverse=True)))
        self.longest = max(map(len, known), default=0)

    def __call__(self, text: str) -> str:
        """Return the text with `***` for each secret."""
        return self._pattern.sub("***", text) if self.longest else text


def masked(value: Any, redact: Callable[[str], str], depth: int = 100) -> Any:
    """Return plain data with no secret in it, neither in its texts nor as a number."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict | list):
        if not depth:
            return "…"
        if isinstance(value, list):
            return [masked(item, redact, depth - 1) for item in value]
        return {redact(str(name)): masked(item, redact, depth - 1) for name, item in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool) and redact(str(value)) != str(value):
        return "***"
    return value


def common_forms(secret: str) -> Iterator[str]:
    """Yield a secret as it stands, in JSON, in a URL and in base64."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    yield base64.b64encode(_bytes(secret)).decode()


def all_forms(secret: str) -> Iterator[str]:
    """Yield every form of a secret that is masked; those of its lines where it has several."""
    lines = [line for line in secret.splitlines() if len(line) >= SHORTEST_SECRET]
    for text in dict.fromkeys([secret, *lines] if len(secret) >= SHORTEST_SECRET else lines):
        # What stands in several lines is never found in one.
        yield from (form for form in _forms(text) if "\n" not in form)


def _forms(text: str) -> Iterator[str]:
    yield text
    for escaped in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        yield escaped[1:-1]
        # JSON as a text within JSON.
        yield json.dumps(escaped[1:-1])[1:-1]
    yield repr(text)[1:-1]
    yield repr(_bytes(text))[2:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield shlex.quote(text).strip("'")
    yield base64.b32encode(_bytes(text)).decode().rstrip("=")
    # A URL stands within another one with its signs quoted twice.
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text), quote(quote(text, safe=""), safe="")):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)
    yield _bytes(text).hex()
    yield _bytes(text).hex().upper()
    yield from _base64_forms(_bytes(text))


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield what base64 makes of the secret alone, and of its inside at each place it may have in a longer text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode()
        yield encode(data).decode().rstrip("=")
        for before in range(3):
            # Characters that share bits with a neighbour differ with it.
            start, whole = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            inside = encode(b"\0" * before + data).decode()[start:whole]
            if len(inside) >= _SHORTEST_BASE64:
                yield inside


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
