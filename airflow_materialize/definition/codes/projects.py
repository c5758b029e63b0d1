"""The texts of the codes AM3 to AM7: what files can have wrong among one another, and what stands beside headers."""

from __future__ import annotations

OF_PROJECTS: dict[str, tuple[str, str, str, str]] = {
    "AM301": (
        "two assets of one name",
        "A name is one asset's in its pipeline, whatever its letters' case.",
        "# assets/a.py\nname: raw.orders\n# assets/b.py\nname: raw.orders",
        "# assets/a.py\nname: raw.orders\n# assets/b.py\nname: raw.returns",
    ),
    "AM302": (
        "one table is written by two assets",
        "Each would undo what the other loads.",
        (
            "# pipeline.yml\nname: a\n# assets/a.py\nname: orders\nconnection: db\nmaterialization: {type: table}\n"
            "# ../b/pipeline.yml\nname: b\n"
            "# ../b/assets/b.py\nname: orders\nconnection: db\nmaterialization: {type: table}"
        ),
        (
            "# pipeline.yml\nname: a\n# assets/a.py\nname: orders\nconnection: db\nmaterialization: {type: table}\n"
            "# ../b/pipeline.yml\nname: b\n"
            "# ../b/assets/b.py\nname: returns\nconnection: db\nmaterialization: {type: table}"
        ),
    ),
    "AM303": (
        "an unknown dependency",
        "No pipeline has an asset of this name.",
        "# assets/a.py\nname: raw.orders\n# assets/b.py\ndepends: [raw.order]",
        "# assets/a.py\nname: raw.orders\n# assets/b.py\ndepends: [raw.orders]",
    ),
    "AM304": (
        "a cycle",
        "Assets wait for one another, so that none could start.",
        "# assets/a.py\ndepends: [b]\n# assets/b.py\ndepends: [a]",
        "# assets/a.py\nowner: ann\n# assets/b.py\ndepends: [a]",
    ),
    "AM305": (
        "a pipeline inside of another one",
        "A file would belong to both.",
        "# pipeline.yml\nname: outer\n# inner/pipeline.yml\nname: inner\n# inner/assets/a.py\nowner: ann",
        "# pipeline.yml\nname: outer\n# assets/a.py\nowner: ann",
    ),
    "AM306": (
        "two pipelines of one name",
        "The name is the DAG's id.",
        "# pipeline.yml\nname: shop\n# ../other/pipeline.yml\nname: shop\n# ../other/assets/a.py\nowner: ann",
        "# pipeline.yml\nname: shop\n# ../other/pipeline.yml\nname: other\n# ../other/assets/a.py\nowner: ann",
    ),
    "AM307": (
        "a dependency that makes no table",
        (
            "An asset of another pipeline is known by the table that it makes; a plain script has none, and a disabled "
            "asset makes none."
        ),
        "# assets/a.py\ndepends: [script]\n# ../b/pipeline.yml\nname: b\n# ../b/assets/script.py\nname: script",
        "# assets/a.py\nowner: ann\n# ../b/pipeline.yml\nname: b\n# ../b/assets/script.py\nname: script",
    ),
    "AM308": (
        "two assets of one URI",
        "A URI is one asset's, so that its events are.",
        (
            "# assets/a.py\nuri: s3://shop/a\nmaterialization: {type: table}\n"
            "# assets/b.py\nuri: s3://shop/a\nmaterialization: {type: table}"
        ),
        (
            "# assets/a.py\nuri: s3://shop/a\nmaterialization: {type: table}\n"
            "# assets/b.py\nuri: s3://shop/b\nmaterialization: {type: table}"
        ),
    ),
    "AM309": (
        "a pipeline on assets that depends on none",
        "With `schedule: assets` it runs when assets of other pipelines have new events.",
        "# pipeline.yml\nname: shop\nschedule: assets\n# assets/a.py\nowner: ann",
        "# pipeline.yml\nname: shop\nschedule: daily\n# assets/a.py\nowner: ann",
    ),
    "AM310": (
        "a dependency that may mean several assets",
        "Pipelines may have assets of one name over different connections; only the URI tells which is meant.",
        (
            "# assets/a.py\ndepends: [orders]\n# ../b/pipeline.yml\nname: b\n# ../b/assets/orders.py\nname: orders\n"
            "connection: db\nmaterialization: {type: table}\n# ../c/pipeline.yml\nname: c\n"
            "# ../c/assets/orders.py\nname: orders\nconnection: other\nmaterialization: {type: table}"
        ),
        (
            "# assets/a.py\ndepends: [{uri: 'materialize://db/orders'}]\n# ../b/pipeline.yml\nname: b\n"
            "# ../b/assets/orders.py\nname: orders\nconnection: db\nmaterialization: {type: table}\n"
            "# ../c/pipeline.yml\nname: c\n"
            "# ../c/assets/orders.py\nname: orders\nconnection: other\nmaterialization: {type: table}"
        ),
    ),
    "AM401": (
        "`run` is missing",
        "A YAML-defined asset names the Python file that it runs.",
        "# assets/orders.asset.yml\ntype: python",
        "# assets/orders.asset.yml\nrun: load.py\n# assets/load.py\n",
    ),
    "AM402": (
        "a path leads out of the folder of all pipelines",
        "Assets run nothing from elsewhere, over no link either.",
        "# assets/orders.asset.yml\nrun: ../../../load.py",
        "# assets/orders.asset.yml\nrun: load.py\n# assets/load.py\n",
    ),
    "AM403": (
        "no Python file",
        "`run` names a file that does not exist, or is no Python file.",
        "# assets/orders.asset.yml\nrun: lod.py",
        "# assets/orders.asset.yml\nrun: load.py\n# assets/load.py\n",
    ),
    "AM404": (
        "nothing is there",
        "The path that was given to a command names no file, or none of an asset.",
        "airflow-materialize validate nowhere",
        "airflow-materialize validate dags",
    ),
    "AM405": (
        "the pipeline cannot become a DAG",
        "Airflow refuses what the pipeline, or the loader file with its arguments for all DAGs, asks for.",
        'globals().update(asset_dags(__file__, max_active_tasks="many"))',
        "globals().update(asset_dags(__file__, max_active_tasks=8))",
    ),
    "AM501": (
        "a field has no effect",
        "A warning: the field is known, and changes nothing here.",
        "# assets/load.py\nrun: load.py",
        "# assets/load.py\nowner: ann",
    ),
    "AM502": (
        "a file is skipped",
        "A warning: the file stands among assets and is none that runs here, as `.sql` in a mixed Bruin folder.",
        "# assets/orders.sql\nSELECT 1",
        "# sql/orders.sql\nSELECT 1",
    ),
    "AM503": (
        "Airflow imports the asset",
        (
            "A warning: Airflow imports each Python file that mentions it and that no `.airflowignore` covers, so that "
            "user code runs at every parse."
        ),
        "# assets/orders.py\nfrom airflow_materialize.sdk import context",
        "# assets/orders.py\nfrom airflow_materialize.sdk import context\n# .airflowignore\nassets/",
    ),
    "AM504": (
        "a file mentions the marker and has no header",
        "A warning: the file looks like an asset and is none, so it does not run.",
        '# assets/orders.py\nimport os\n\n"""@bruin\nname: raw.orders\n@bruin"""',
        '# assets/orders.py\n"""@bruin\nname: raw.orders\n@bruin"""\n\nimport os',
    ),
    "AM505": (
        "a default is not inherited",
        "A warning: each asset has a name of its own, and what else tells it from others.",
        "# pipeline.yml\nname: shop\ndefault: {name: raw.orders}",
        "# pipeline.yml\nname: shop\ndefault: {owner: ann}",
    ),
    "AM506": (
        "a materialization without a type",
        "A warning: without `type: table` the asset makes no table.",
        "materialization: {strategy: append}",
        "materialization: {type: table, strategy: append}",
    ),
    "AM601": (
        "no attribute of the glossary",
        "`extends` of a column names an attribute of `glossary.yml`, as `Entity.Attribute`.",
        "columns: [{name: id, extends: Customer}]",
        (
            "# glossary.yml\nentities: {Customer: {attributes: {ID: {type: integer}}}}\n"
            "# assets/orders.py\ncolumns: [{name: id, extends: Customer.ID}]"
        ),
    ),
    "AM602": (
        "the glossary cannot be read",
        "The system refuses to open `glossary.yml`, or it is a link out of the folder of all pipelines.",
        "# glossary.yml -> /etc/glossary.yml",
        "",
    ),
    "AM603": (
        "an unknown domain",
        "A domain of the glossary is part of domains that it lists, and entities belong to them, without a circle.",
        (
            "# glossary.yml\ndomains: {sales: {parent_domain: shop}}\n"
            "entities: {Customer: {attributes: {ID: {type: integer}}}}\n"
            "# assets/orders.py\nextends: [Customer]"
        ),
        (
            "# glossary.yml\ndomains: {shop: {}, sales: {parent_domain: shop}}\n"
            "entities: {Customer: {attributes: {ID: {type: integer}}}}\n"
            "# assets/orders.py\nextends: [Customer]"
        ),
    ),
    "AM604": (
        "the glossary has no such word",
        "`extends` names entities and attributes of the nearest `glossary.yml`.",
        (
            "# glossary.yml\nentities: {Customer: {attributes: {ID: {type: integer}}}}\n"
            "# assets/orders.py\nextends: [Custmer]"
        ),
        (
            "# glossary.yml\nentities: {Customer: {attributes: {ID: {type: integer}}}}\n"
            "# assets/orders.py\nextends: [Customer]"
        ),
    ),
    "AM611": (
        "a variable without a default",
        "A run that says nothing takes the default.",
        "# pipeline.yml\nname: shop\nvariables: {market: {type: string}}",
        "# pipeline.yml\nname: shop\nvariables: {market: {type: string, default: de}}",
    ),
    "AM612": (
        "a variable's default does not fit",
        "The default is a value that the variable's own type and conditions take.",
        "# pipeline.yml\nname: shop\nvariables: {days: {type: integer, default: many}}",
        "# pipeline.yml\nname: shop\nvariables: {days: {type: integer, default: 7}}",
    ),
    "AM613": (
        "no name of a variable",
        "A template asks for a variable as `var.name`.",
        "# pipeline.yml\nname: shop\nvariables: {sales-region: {type: string, default: eu}}",
        "# pipeline.yml\nname: shop\nvariables: {sales_region: {type: string, default: eu}}",
    ),
    "AM614": (
        "a variable cannot be declared so",
        "A variable is declared as in JSON Schema, without references.",
        "# pipeline.yml\nname: shop\nvariables: {region: {type: strng, default: eu}}",
        "# pipeline.yml\nname: shop\nvariables: {region: {type: string, default: eu}}",
    ),
    "AM621": (
        "a variant cannot be used",
        "A variant gives values to variables of the pipeline.",
        "# pipeline.yml\nname: shop\nvariants: {de: {market: de}}",
        "# pipeline.yml\nname: shop\nvariables: {market: {type: string, default: at}}\nvariants: {de: {market: de}}",
    ),
    "AM622": (
        "no name of a variant",
        "The name of a variant has letters, digits, `_` and `-`.",
        (
            "# pipeline.yml\nname: shop\nvariables: {market: {type: string, default: at}}\n"
            "variants: {de/south: {market: de}}"
        ),
        (
            "# pipeline.yml\nname: shop\nvariables: {market: {type: string, default: at}}\n"
            "variants: {de_south: {market: de}}"
        ),
    ),
    "AM631": (
        "a template cannot be filled in",
        "Templates of a header know the names of the run and the pipeline's variables, and nothing of Airflow.",
        "enabled: '{{ not full_refresh'",
        "enabled: '{{ not full_refresh }}'",
    ),
    "AM632": (
        "the macros cannot be used",
        "`macros/*.sql` of a pipeline holds Jinja macros, 64 KiB at most, and no link leads elsewhere.",
        "# pipeline.yml\nname: shop\n# macros/days.sql\n{% macro days(n %}",
        "# pipeline.yml\nname: shop\n# macros/days.sql\n{% macro days(n) %}INTERVAL {{ n }} DAY{% endmacro %}",
    ),
    "AM641": (
        "_defaults.yml cannot be read",
        "The system refuses to open it, or it is a link out of the folder of all pipelines.",
        "# assets/_defaults.yml -> /etc/defaults.yml",
        "",
    ),
    "AM701": (
        "the requirements cannot be read",
        "`requirements.txt` or `pyproject.toml` is UTF-8 text that the worker may read.",
        "# requirements.txt\npandas\u0000",
        "# requirements.txt\npandas",
    ),
    "AM702": (
        "a line that is no requirement",
        "A requirement is a package with its versions.",
        "# requirements.txt\npandas=2.2",
        "# requirements.txt\npandas==2.2",
    ),
    "AM703": (
        "an include that cannot be followed",
        "`-r` and `-c` name files inside of the folder of all pipelines, without a circle.",
        "# requirements.txt\n-r base.txt",
        "# requirements.txt\n-r base.txt\n# base.txt\npandas",
    ),
    "AM704": (
        "a pyproject.toml that cannot be used",
        "It is TOML, with `dependencies` as a list of texts and `requires-python` as a condition.",
        '# pyproject.toml\n[project]\ndependencies = "pandas"',
        '# pyproject.toml\n[project]\ndependencies = ["pandas"]',
    ),
    "AM705": (
        "a requirement cannot be installed",
        "The package index has no such version for this Python, or versions exclude one another.",
        "# requirements.txt\npandas==0.0.1",
        "# requirements.txt\npandas==2.3.3",
    ),
}
