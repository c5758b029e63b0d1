from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.execution.environments.requirements import Requirements, find_requirements, python_version

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def tree(tmp_path):
    """Write files below a folder and read the requirements of `sales/assets/raw/orders.py` there."""

    def write(**files: str) -> Requirements:
        for name, text in files.items():
            path = tmp_path / PLACES[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return find_requirements(tmp_path / "sales/assets/raw/orders.py", tmp_path)

    return write


PLACES = {
    "far": "requirements.txt",
    "middle": "sales/requirements.txt",
    "near": "sales/assets/raw/requirements.txt",
    "near_project": "sales/assets/raw/pyproject.toml",
    "far_project": "pyproject.toml",
    "included": "common/base.txt",
    "beside": "base.txt",
}

PROJECT = '[project]\nname = "p"\nrequires-python = ">=3.10"\ndependencies = [\n  "six==1.17.0",\n  "tabulate",\n]\n'


def texts(requirements):
    return [line.text for line in requirements.lines]


def message(tree, **files):
    with pytest.raises(AssetError) as caught:
        tree(**files)
    return str(caught.value)


def test_an_asset_without_a_file_has_no_requirements(tree):
    assert tree() == Requirements()


def test_the_nearest_of_several_requirements_files_counts(tree, tmp_path):
    found = tree(far="six\n", middle="tabulate\n")
    assert (found.path, texts(found)) == (tmp_path / "sales/requirements.txt", ["tabulate"])


def test_a_requirements_file_at_any_level_wins_over_a_nearer_pyproject(tree, tmp_path):
    assert tree(far="six\n", near_project=PROJECT).path == tmp_path / "requirements.txt"


def test_the_nearest_pyproject_gives_dependencies_with_their_lines_and_its_python(tree, tmp_path):
    found = tree(near_project=PROJECT)
    assert found.path == tmp_path / "sales/assets/raw/pyproject.toml"
    assert [(line.name, line.number) for line in found.lines] == [("six", 5), ("tabulate", 6)]
    assert found.requires_python == ">=3.10"


def test_a_pyproject_without_a_project_is_passed_over(tree, tmp_path):
    found = tree(near_project="[tool.ruff]\nline-length = 100\n", far_project=PROJECT)
    assert found.path == tmp_path / "pyproject.toml"


def test_nothing_above_the_stop_folder_is_read(tmp_path):
    (tmp_path / "requirements.txt").write_text("six\n")
    (tmp_path / "dags/sales").mkdir(parents=True)
    assert find_requirements(tmp_path / "dags/sales/orders.py", tmp_path / "dags").path is None


def test_a_file_outside_of_the_stop_folder_has_its_own_folder_alone(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "requirements.txt").write_text("six\n")
    assert find_requirements(tmp_path / "a/orders.py", tmp_path / "elsewhere").path is None


def test_comments_continuations_and_options_of_a_package_are_understood(tree):
    found = tree(
        middle="\ufeff# all of it\nsix==1.17.0 \\\n    --hash=sha256:aa\n\nPandas_Stubs >= 2  # types\n-e ./lib\n"
    )
    assert [(line.number, line.name, line.options) for line in found.lines] == [
        (2, "six", "--hash=sha256:aa"),
        (5, "pandas-stubs", ""),
        (6, "", ""),
    ]


@pytest.mark.parametrize("include", ["-r ../base.txt", "-r../base.txt", "--requirement=../base.txt", "-c ../base.txt"])
def test_an_include_is_followed_from_the_file_that_has_it(tree, include):
    assert texts(tree(middle=f"{include}\ntabulate\n", beside="six\n")) == [include, "six", "tabulate"]


def test_a_change_in_an_included_file_changes_the_digest(tree):
    first = tree(middle="-r ../base.txt\n", beside="six==1.16.0\n").digest
    assert tree(beside="six==1.17.0\n").digest != first


def test_a_comment_and_the_folder_do_not_change_the_digest(tmp_path):
    digests = set()
    for name, text in {"a": "six\n", "b": "# why\nsix\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(text)
        digests.add(find_requirements(tmp_path / name / "x.py", tmp_path).digest)
    assert len(digests) == 1


def test_the_folder_counts_in_the_digest_where_a_line_is_relative_to_it(tmp_path):
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text("-e ./lib\n")
        digests.add(find_requirements(tmp_path / name / "x.py", tmp_path).digest)
    assert len(digests) == 2


def test_a_constraint_is_not_the_same_as_a_requirement(tree):
    first = tree(middle="-r ../base.txt\n", beside="six\n").digest
    assert tree(middle="-c ../base.txt\n").digest != first


def test_a_syntax_error_names_file_line_and_column(tree, tmp_path):
    said = message(tree, middle="six\n\npandas>=\n")
    assert said.startswith(f"{tmp_path}/sales/requirements.txt:3:7: 'pandas>=' is not a requirement: ")
    assert said.endswith("(write it as pandas>=2.2,<3) [AM702]")


def test_a_syntax_error_in_an_included_file_names_that_file(tree, tmp_path):
    assert message(tree, middle="-r ../base.txt\n", beside="a b\n").startswith(f"{tmp_path}/base.txt:1:3: 'a b' is not")


def test_a_bad_dependency_of_a_pyproject_is_at_its_line(tree, tmp_path):
    said = message(tree, far_project='[project]\ndependencies = [\n "six",\n "!x",\n]\n')
    assert said.startswith(f"{tmp_path}/pyproject.toml:4:1: '!x' is not a requirement")


def test_broken_toml_is_named_with_its_place(tree, tmp_path):
    assert message(tree, far_project="[project]\nname 3\n").startswith(f"{tmp_path}/pyproject.toml:2:6: is not TOML: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[project]\nname='a'\ndependencies = 'six'\n", "3:1: project.dependencies is not a list of texts"),
        ("[project]\nrequires-python = 'new'\n", "2:1: requires-python 'new' is no version condition"),
    ],
)
def test_a_field_of_a_pyproject_that_means_nothing_is_an_error_at_its_line(tree, text, expected):
    assert f"pyproject.toml:{expected}" in message(tree, far_project=text)


def test_a_missing_include_is_an_error_at_its_line(tree, tmp_path):
    said = message(tree, middle="six\n-r gone.txt\n")
    assert f"requirements.txt:2:1: '-r gone.txt': there is no file {tmp_path}/sales/gone.txt" in said


@pytest.mark.parametrize("target", ["../../../secret.txt", "/etc/hostname", "https://example.com/r.txt"])
def test_an_include_from_outside_is_refused(tree, target):
    assert f"1:1: '-r {target}' includes a file from outside" in message(tree, middle=f"-r {target}\n")


def test_an_include_through_a_link_to_the_outside_is_refused(tree, tmp_path):
    (tmp_path / "sales").mkdir()
    (tmp_path / "sales/link.txt").symlink_to("/etc/hostname")
    assert "includes a file from outside" in message(tree, middle="-r link.txt\n")


def test_files_that_include_each_other_are_an_error(tree):
    assert "includes a file that includes this one" in message(
        tree, middle="-r ../base.txt\n", beside="-r sales/requirements.txt\n"
    )


def test_a_file_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "requirements.txt").write_bytes("six".encode("utf-16"))
    with pytest.raises(AssetError, match=r"requirements.txt: is not UTF-8 \(byte 0\) \(save it as UTF-8\)"):
        find_requirements(tmp_path / "a.py", tmp_path)


@pytest.mark.parametrize("line", ["./lib", "lib.whl", "git+https://x/y", "-e .", "x @ file:///a", "a==${V}", "--pre"])
def test_what_only_uv_can_judge_is_left_to_it(tree, line):
    assert texts(tree(middle=f"{line}\n")) == [line]


def test_the_image_chooses_the_python():
    assert python_version("python:3.12", Requirements(), "3.10") == "3.12"


def test_the_setting_comes_next_and_may_be_a_path():
    assert python_version("", Requirements(), "3.10") == "3.10"
    assert python_version("", Requirements(), "/opt/python/bin/python") == "/opt/python/bin/python"


def test_without_both_the_workers_own_version_is_taken():
    assert python_version("", Requirements(), "") == OWN


@pytest.mark.parametrize("image", ["python:3.12-slim", "3.12", "python:3.12.1", "ubuntu"])
def test_an_image_that_is_no_python_version_is_an_error(image):
    with pytest.raises(MaterializeError) as caught:
        python_version(image, Requirements(), "")
    assert str(caught.value) == f"image: {image!r} is not a Python version\nHint: write it as python:3.12"


@pytest.mark.parametrize("version", ["3.8", "3.15", "2.7"])
def test_a_version_that_assets_do_not_run_on_is_an_error(version):
    with pytest.raises(MaterializeError) as caught:
        python_version(f"python:{version}", Requirements(), "")
    assert str(caught.value) == (
        f"image: python:{version} is Python {version}\nHint: assets run on CPython 3.9 to 3.14"
    )


def test_requires_python_that_excludes_the_version_is_an_error():
    requirements = Requirements(Path("sales/pyproject.toml"), requires_python=">=3.13")
    with pytest.raises(MaterializeError) as caught:
        python_version("python:3.11", requirements, "")
    assert str(caught.value).startswith(
        "sales/pyproject.toml: requires-python is '>=3.13', which excludes Python 3.11 (image: python:3.11)\nHint: "
    )


@pytest.mark.parametrize(
    ("condition", "default", "expected"),
    [
        (">=3.10", "3.11", "3.11"),
        (">=3.12", "3.11", "3.12"),
        ("<3.11", "3.11", "3.9"),
        ("==3.13.*", "", "3.13"),
        (">=3.12.4,<3.14", "3.11.7", "3.12"),
    ],
)
def test_where_requires_python_excludes_the_default_the_oldest_that_it_allows_is_taken(condition, default, expected):
    assert python_version("", Requirements(Path("p"), requires_python=condition), default) == expected


def test_requires_python_that_no_version_meets_is_an_error():
    with pytest.raises(
        MaterializeError, match=r"requires-python is '<3\.9', which excludes Python 3\.12 \(the setting"
    ):
        python_version("", Requirements(Path("p"), requires_python="<3.9"), "3.12")


def test_requires_python_may_name_a_patch_of_the_version():
    assert python_version("python:3.11", Requirements(Path("p"), requires_python=">=3.11.4"), "") == "3.11"
