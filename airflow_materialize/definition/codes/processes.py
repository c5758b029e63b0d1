"""The texts of the codes about an asset's process: masks, renames, secrets, and what its script says it needs."""

from __future__ import annotations

OF_PROCESSES: dict[str, tuple[str, str, str, str]] = {
    "AM221": (
        "a mask that cannot be used",
        "A mask is a method and, for some, a parameter behind a colon. A misspelled one must not let values through.",
        "columns: [{name: email, mask: hsah}]",
        "columns: [{name: email, mask: hash}]",
    ),
    "AM222": (
        "two columns of one source",
        "A column of the result becomes one column of the table.",
        "columns: [{name: a, source_column: x}, {name: b, source_column: x}]",
        "columns: [{name: a, source_column: x}, {name: b, source_column: y}]",
    ),
    "AM223": (
        "a name that no secret can have",
        "A secret is injected as an environment variable; `BRUIN_…` and `MATERIALIZE_…` are those of the run itself.",
        "secrets: [{key: a, inject_as: BRUIN_TOKEN}]",
        "secrets: [{key: a, inject_as: TOKEN}]",
    ),
    "AM224": (
        "no size",
        "A size is a number and its unit: B, KB, MB, GB and TB count in thousands, KiB, MiB, GiB and TiB in 1,024s.",
        "resources: {memory: lots}",
        "resources: {memory: 2GB}",
    ),
    "AM507": (
        "a key that everybody reads",
        "The key of `hmac` is the text in the header, which stands in the docs and in the plan of each run.",
        'columns: [{name: email, mask: "hmac:my-key"}]',
        'secrets: [{key: MASK_KEY}]\ncolumns: [{name: email, mask: "hmac:MASK_KEY"}]',
    ),
    "AM706": (
        "inline metadata that cannot be used",
        "The block `# /// script` is one, ends with `# ///`, and is TOML with `dependencies` and `requires-python`.",
        '# assets/orders.py\n# /// script\n# dependencies = "pandas"\n# ///',
        '# assets/orders.py\n# /// script\n# dependencies = ["pandas"]\n# ///',
    ),
    "AM707": (
        "a requirement that the platform refuses",
        "Under the setting `requirements`, `pinned` takes exact versions alone, and `locked` only those with hashes.",
        "# requirements.txt, under pinned\ngit+https://example.com/ours.git\npandas>=2.2",
        "# requirements.txt, under pinned\nours==1.4.0\npandas==2.3.3",
    ),
    "AM708": (
        "a uv.lock that does not fit",
        "What `uv.lock` says is installed. It is of the project, and made from its dependencies as they are.",
        '# pyproject.toml, after `uv lock`\n[project]\nname = "shop"\ndependencies = ["pandas>=2.2", "httpx"]',
        "",
    ),
    "AM711": (
        "a secret that does not exist",
        "A secret is an Airflow connection, or else an Airflow Variable, of the name `key`.",
        "secrets: [{key: no_such_connection}]",
        "",
    ),
}
