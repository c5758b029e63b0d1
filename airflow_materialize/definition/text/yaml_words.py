"""What libyaml says of broken YAML, in our words."""

from __future__ import annotations

OPEN = "starts here and does not end"
"""How what begins and has no end is told; it is shown where it begins."""

IN_OUR_WORDS = {
    "found unexpected end of stream": (f"a quoted text {OPEN}", ""),
    "did not find expected ',' or ']'": (f"a list {OPEN}", "a comma between items, and ] behind the last one"),
    "did not find expected ',' or '}'": (f"a mapping {OPEN}", "a comma between fields, and } behind the last one"),
    "mapping values are not allowed in this context": (
        "a colon where a text goes on",
        "quote a text that has a colon; fields of one mapping start in one column",
    ),
    "found character that cannot start any token": ("a text cannot start with this sign", "quote the text"),
    "could not find expected ':'": ("a line without a colon", "lines as `name: raw.orders`"),
    "did not find expected key": ("a field is expected here", "fields of one mapping start in one column"),
    "did not find expected '-' indicator": ("an item of a list is expected here", "items start in one column"),
}
"""What libyaml says → what it means, and what would be right."""
