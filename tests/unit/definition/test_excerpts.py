from __future__ import annotations

from airflow_materialize.definition.project.project import parse_project
from airflow_materialize.definition.text.problems import with_excerpts
from airflow_materialize.errors import Problem


def lines(problems):
    return [(problem.file, problem.line, problem.excerpt) for problem in problems]


def test_a_problem_shows_its_line_in_whatever_file_it_stands(write):
    root = write(
        {
            "sales/pipeline.yml": "name: sales\ndefault:\n  tier: 9\n",
            "sales/assets/a.py": '"""@bruin\r\nname: one\r\nonwer: x\r\n@bruin"""\r\n',
            "sales/assets/b.py": '"""@bruin\nname: ONE\nrun: x.py\n@bruin"""\n',
        }
    )
    assets = parse_project(root)[0].assets
    found = {place for asset in assets for place in lines((*asset.problems, *asset.warnings))}
    assert found >= {
        ("sales/pipeline.yml", 3, "  tier: 9"),
        ("sales/assets/a.py", 3, "onwer: x"),
        ("sales/assets/b.py", 2, "name: ONE"),
        ("sales/assets/b.py", 3, "run: x.py"),
    }


def test_a_bom_moves_no_column(write):
    text = '\ufeff"""@bruin onwer: x'
    problem = parse_project(write({"sales/pipeline.yml": "\ufeffnam: sales\n", "sales/assets/a.py": text}))[0].problems[
        0
    ]
    assert (problem.excerpt, problem.column) == ("nam: sales", 1)


def test_each_file_is_read_once_and_none_without_a_problem():
    read = []

    def lines_of(file):
        read.append(file)
        return ["one", "two"]

    assert with_excerpts([], lines_of) == ()
    assert lines(with_excerpts([Problem("a", 0, 0, "", "x"), Problem("a", 9, 1, "", "x")], lines_of)) == [
        ("a", 0, ""),
        ("a", 9, ""),
    ]
    assert read == ["a"]


def test_a_line_of_megabytes_is_not_kept():
    [problem] = with_excerpts([Problem("a", 1, 5, "", "x")], lambda _: ["y" * 10_000_000])
    assert len(problem.excerpt) < 1_000


def test_a_line_is_not_read_from_outside_of_the_root(write, tmp_path):
    root = write({"dags/sales/pipeline.yml": "nam: sales\n", "secret.yml": "password: x\n"}) / "dags"
    (root / "sales/pipeline.yml").unlink()
    (root / "sales/pipeline.yml").symlink_to(tmp_path / "secret.yml")
    [pipeline] = parse_project(root)
    assert pipeline.problems
    assert "password" not in "".join(problem.explain() for problem in pipeline.problems)
