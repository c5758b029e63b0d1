"""The reference says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import generate
import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_page_of_the_reference_is_what_the_code_gives(page):
    written = (DOCS / "reference" / page).read_text()
    assert written == generate.PAGES[page](), f"docs/reference/{page} is not what the code gives: run make reference"


def test_the_reference_has_no_other_pages():
    assert {page.name for page in (DOCS / "reference").iterdir()} == set(generate.PAGES)


def links(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield (page.parent / file).resolve() if file else page, anchor


def anchors(page: Path):
    text = page.read_text()
    headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {heading.replace(" ", "-") for heading in headings} | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_link_leads_somewhere(page):
    lost = [f"{target}#{anchor}" for target, anchor in links(page) if not target.exists()]
    lost += [f"{target}#{anchor}" for target, anchor in links(page) if anchor and anchor not in anchors(target)]
    assert lost == []


def test_the_index_lists_every_page():
    listed = {target for target, _ in links(DOCS / "index.md")}
    pages = {page for page in DOCS.rglob("*.md") if page.name != "index.md"}
    assert {page for page in pages - listed if page.parent.name != "adr"} == set()
    assert DOCS / "adr" in listed
