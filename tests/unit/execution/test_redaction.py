from __future__ import annotations

import base64
import html
import json
import shlex
import urllib.parse

import pytest

from airflow_materialize.execution.redaction import Redactor

SECRET = 'p@ss/wö"rd\\+ <7>&'
RAW = SECRET.encode()
FORMS = {
    "itself": SECRET,
    "JSON": json.dumps(SECRET)[1:-1],
    "JSON in UTF-8": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "JSON within JSON": json.dumps(json.dumps({"a": SECRET})),
    "a Python text": repr({"a": SECRET}),
    "Python bytes": repr(RAW),
    "HTML": html.escape(SECRET),
    "XML": html.escape(SECRET, quote=False),
    "a shell's word": shlex.quote(f"{SECRET}'s"),
    "base32": base64.b32encode(RAW).decode(),
    "a URL within a URL": urllib.parse.quote(urllib.parse.quote(SECRET, safe=""), safe=""),
    "a URL": urllib.parse.quote(SECRET, safe=""),
    "a URL's path": urllib.parse.quote(SECRET),
    "a URL's query": urllib.parse.urlencode({"a": SECRET}),
    "a URL in small letters": urllib.parse.quote(SECRET, safe="").replace("%C3%B6", "%c3%b6").lower(),
    "digits": RAW.hex(),
    "capital digits": RAW.hex().upper(),
    "base64": base64.b64encode(RAW).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(RAW).decode(),
    "base64 without its end": base64.b64encode(RAW).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_the_form_of(form):
    shown = Redactor([SECRET])(f"<{FORMS[form]}>")
    assert "***" in shown
    assert not any(part in shown for part in ("p@ss", "wö", "rd", "70407373", "cEBzcy"))


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
def test_a_secret_is_masked_inside_of_longer_base64(before):
    text = base64.b64encode(f"{before}hunter2-canary and more".encode()).decode()
    shown = Redactor(["hunter2-canary"])(text)
    assert "***" in shown
    # What is left has no more than the bits of one of its characters at each end.
    left, right = shown.split("***")
    assert b"h" not in base64.b64decode(left[: len(left) // 4 * 4])
    assert len(left + right) <= len(text) - 16


def test_the_json_of_a_secret_is_masked_whole_and_by_line():
    text = json.dumps({"key": "-----BEGIN\nabcdefgh\n-----END"})
    shown = Redactor([text, "-----BEGIN\nabcdefgh\n-----END"])(f"{text} abcdefgh")
    assert shown == "*** ***"
