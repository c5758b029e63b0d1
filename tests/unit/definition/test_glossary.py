from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project

GLOSSARY = """
domains:
  sales: {description: All of it, owners: [ann], tags: [x], contact: [{type: email, address: a@b.c}]}
  returns: {parent_domain: sales}
entities:
  Customer:
    description: Who buys.
    domains: [sales]
    attributes:
      ID: {type: integer, description: The number.}
      Email: {name: mail, type: string}
      Age:
  Empty:
"""


@pytest.fixture
def columns(write):
    """Parse an asset whose header is given, beside a glossary, and return it."""

    def _columns(header, glossary=GLOSSARY, at="glossary.yml", pipeline="name: sales\n"):
        files = {"sales/pipeline.yml": pipeline, "sales/assets/a.py": f'"""@bruin\n{header}\n@bruin"""\n'}
        [parsed] = parse_project(write({**files, at: glossary} if at else files))[0].assets
        return parsed

    return _columns


def said(parsed):
    return [(column.name, column.type, column.description, column.extends) for column in parsed.asset.columns]


def errors(parsed):
    return [str(problem) for problem in parsed.problems]


def test_an_entity_adds_its_attributes_sorted(columns):
    assert said(columns("extends: [Customer]")) == [
        ("Age", "", "", "Customer.Age"),
        ("mail", "string", "", "Customer.Email"),
        ("ID", "integer", "The number.", "Customer.ID"),
    ]


def test_an_attribute_that_a_column_extends_or_is_named_like_is_not_added(columns):
    header = "extends: [Customer]\ncolumns:\n  - {name: key, extends: Customer.ID}\n  - {name: MAIL, type: text}"
    assert said(columns(header)) == [
        ("key", "integer", "The number.", "Customer.ID"),
        ("MAIL", "text", "", ""),
        ("Age", "", "", "Customer.Age"),
    ]


def test_a_column_takes_what_it_does_not_say(columns):
    header = "columns:\n  - extends: Customer.ID\n    description: Mine.\n    primary_key: true"
    parsed = columns(header)
    assert said(parsed) == [("ID", "integer", "Mine.", "Customer.ID")]
    assert parsed.asset.primary_key == ("ID",)


def test_the_glossary_comes_before_defaults_and_defaults_may_extend(columns):
    pipeline = """
    name: sales
    default:
      extends: [Customer]
      columns: [{name: key, type: text, description: From the default.}]
    """
    parsed = columns("columns: [{name: key, extends: Customer.ID}]", pipeline=pipeline)
    assert said(parsed)[0] == ("key", "integer", "The number.", "Customer.ID")
    assert [column.name for column in parsed.asset.columns] == ["key", "Age", "mail"]


def test_an_entity_without_attributes_adds_none(columns):
    assert said(columns("extends: [Empty]")) == []


def test_what_the_glossary_does_not_know_is_a_problem_with_a_suggestion(columns):
    header = "extends: [Custmer]\ncolumns:\n  - {name: a, extends: Customer.Id}\n  - {extends: Order.ID}"
    parsed = columns(header)
    assert errors(parsed) == [
        (
            "sales/assets/a.py:2:11: extends[0]: glossary.yml has no entity 'Custmer' "
            "(did you mean 'Customer'? one of: Customer, Empty)"
        ),
        (
            "sales/assets/a.py:4:15: columns[0].extends: the entity Customer has no attribute 'Id' "
            "(did you mean 'ID'? one of: Age, Email, ID)"
        ),
        "sales/assets/a.py:5:6: columns[1].extends: glossary.yml has no entity 'Order' (one of: Customer, Empty)",
    ]
    assert {problem.code for problem in parsed.problems} == {"AM604"}


def test_without_a_glossary_nothing_can_be_extended(columns):
    assert errors(columns("extends: [Customer]", at="")) == [
        (
            "sales/assets/a.py:2:11: extends[0]: there is no glossary "
            "(glossary.yml in the pipeline's folder, at the top of the repository, or beside all pipelines)"
        )
    ]


BROKEN = {
    "a wrong type": (
        "entities: {A: {attributes: {ID: {type: [int]}}}}",
        ["glossary.yml:1:34: entities.A.attributes.ID.type: a text is expected, this is a list"],
    ),
    "an unknown field": (
        "entities: {A: {attributs: {}}}",
        [("glossary.yml:1:16: entities.A.attributs: unknown field (did you mean 'attributes'? "
         "one of: attributes, description, domains, name)")],
    ),
    "an unknown parent": (
        "domains: {a: {parent_domain: bb}, b: {}}\nentities: {A: {}}",
        ["glossary.yml:1:15: domains.a.parent_domain: there is no domain 'bb' (did you mean 'b'? one of: a, b)"],
    ),
    "a circle of domains": (
        "domains: {a: {parent_domain: b}, b: {parent_domain: a}}\nentities: {A: {}}",
        ["glossary.yml:1:15: domains.a.parent_domain: a circle: b is part of a (a domain at the top has no parent_domain)",
         "glossary.yml:1:38: domains.b.parent_domain: a circle: a is part of b (a domain at the top has no parent_domain)"],
    ),
    "an unknown domain": (
        "domains: {a: {}}\nentities: {A: {domains: [x]}}",
        ["glossary.yml:2:26: entities.A.domains[0]: there is no domain 'x' (one of: a)"],
    ),
    "no YAML": (
        "entities: &a {A: {}}",
        ["glossary.yml:1:11: entities: the anchor &a is not allowed (leave it out)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("glossary", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_glossary_is_a_problem_of_what_extends_it_at_its_own_place(columns, glossary, expected):
    assert errors(columns("extends: [A]", glossary)) == expected
    assert errors(columns("owner: ann", glossary)) == []


def test_entities_may_belong_to_domains_that_no_glossary_lists(columns):
    assert errors(columns("extends: [A]", "entities: {A: {domains: [x]}}")) == []


@pytest.mark.parametrize("at", ["sales/glossary.yaml", "team/sales/glossary.yml", "glossary.yml"])
def test_the_nearest_glossary_holds(write, at):
    folder = "team/sales" if at != "sales/glossary.yaml" else "sales"
    attribute = "entities: {A: {attributes: {%s: {}}}}"
    files = {
        f"{folder}/pipeline.yml": "name: sales\n",
        f"{folder}/assets/a.py": '"""@bruin\nextends: [A]\n@bruin"""\n',
        "other/pipeline.yml": "name: other\n",
        "other/assets/a.py": "# @bruin.owner: x\n",
        "glossary.yml": attribute % "far",
        at: attribute % "near",
    }
    sales = next(parsed for parsed in parse_project(write(files)) if parsed.name == "sales")
    assert [column.name for column in sales.assets[0].asset.columns] == ["near"]


def test_the_glossary_of_the_repository_within_all_pipelines_is_found(write):
    files = {
        "repo/.git/HEAD": "x",
        "repo/glossary.yml": "entities: {A: {attributes: {here: {}}}}",
        "repo/team/glossary.yml": "entities: {A: {attributes: {not_here: {}}}}",
        "repo/team/sales/pipeline.yml": "name: sales\n",
        "repo/team/sales/assets/a.py": '"""@bruin\nextends: [A]\n@bruin"""\n',
    }
    [sales] = parse_project(write(files))
    assert [column.name for column in sales.assets[0].asset.columns] == ["here"]


def test_no_link_leads_to_a_glossary_elsewhere(write, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "glossary.yml"
    elsewhere.write_text(GLOSSARY)
    (tmp_path / "glossary.yml").symlink_to(elsewhere)
    files = {"sales/pipeline.yml": "name: sales\n", "sales/assets/a.py": '"""@bruin\nextends: [Customer]\n@bruin"""\n'}
    [sales] = parse_project(write(files))
    assert [str(problem) for problem in sales.assets[0].problems] == [
        "glossary.yml: cannot be read: a link that leads out of the folder of all pipelines"
    ]


def test_a_glossary_may_be_longer_than_a_header(columns):
    many = "".join(
        f"  E{number}: {{attributes: {{ID: {{type: integer, description: {'x' * 60}}}}}}}\n" for number in range(1000)
    )
    assert said(columns("extends: [E999]", f"entities:\n{many}"))[0][0] == "ID"
