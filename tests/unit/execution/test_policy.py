from __future__ import annotations

import platform

import pytest

from airflow_materialize.errors import AssetError
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.lock_text import entries_of
from airflow_materialize.execution.environments.requirements import find_requirements

OWN = platform.python_version().rpartition(".")[0]
HASH = f"--hash=sha256:{'0' * 64}"


@pytest.fixture
def under(tmp_path):
    """Read files of requirements under a policy."""

    def find(policy, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.txt").write_text(text)
        return find_requirements(tmp_path / "orders.py", tmp_path, policy)

    return find


def refusals(under, policy, **files):
    with pytest.raises(AssetError) as caught:
        under(policy, **files)
    return caught.value.problems


@pytest.mark.parametrize(
    ("line", "policy", "message"),
    [
        ("--index-url https://robot:canary@a/s", "pinned", "'--index-url https://***@a/s' is an option that says where packages come from"),
        ("--extra-index-url=https://a/s", "pinned", "'--extra-index-url=https://a/s' is an option that says where packages come from"),
        ("-f wheels", "pinned", "'-f wheels' is an option that says where packages come from"),
        ("-e ./ours", "pinned", "'-e ./ours' is an editable path"),
        ("--editable ./ours", "pinned", "'--editable ./ours' is an editable path"),
        ("git+https://canary@github.com/a/b", "pinned", "'git+https://***@github.com/a/b' is a repository"),
        ("ours @ git+ssh://git@github.com/a/b@main", "pinned", "'ours @ git+ssh://***@github.com/a/b@main' is a repository"),
        ("https://a/ours-1.0.tar.gz", "pinned", "'https://a/ours-1.0.tar.gz' is a URL"),
        ("ours @ file:///srv/ours", "pinned", "'ours @ file:///srv/ours' is a URL"),
        ("ours==${VERSION}", "pinned", "'ours==${VERSION}' is filled in from the environment"),
        ("./ours", "pinned", "'./ours' is a path"),
        ("ours-1.0-py3-none-any.whl", "pinned", "'ours-1.0-py3-none-any.whl' is a path"),
        ("ours", "pinned", "'ours' is not pinned"),
        ("ours>=1,<2", "pinned", "'ours>=1,<2' is not pinned"),
        ("ours==1.*", "pinned", "'ours==1.*' is not pinned"),
        ("ours==1.0", "locked", "'ours==1.0' has no hash"),
        (f"ours>=1 {HASH}", "locked", f"'ours>=1 {HASH}' is not pinned"),
    ],
)  # fmt: skip
def test_what_a_policy_refuses_is_named_with_its_line_and_how_it_is_allowed(under, tmp_path, line, policy, message):
    [problem] = refusals(under, policy, requirements=f"# of ours\n{line}\n")
    looser = "open" if policy == "pinned" else "pinned or open"
    refused = f"which the policy [materialize] requirements = {policy} refuses"
    assert str(problem).startswith(f"{tmp_path}/requirements.txt:2:1: {message}, {refused} (")
    assert str(problem).endswith(f"; the platform team allows it by setting requirements = {looser})")
    assert ("remove it" in str(problem)) == ("is an option" in message)
    assert problem.code == "AM707"
    assert "canary" not in str(problem)
    assert under("open", requirements=f"{line}\n").lines


def test_every_line_that_is_refused_is_named_at_once(under, tmp_path):
    problems = refusals(under, "pinned", requirements="-r base.txt\nours\n", base="theirs\nsix==1.17.0\n-e .\n")
    places = [(problem.file, problem.line) for problem in problems]
    assert places == [(f"{tmp_path}/base.txt", 1), (f"{tmp_path}/base.txt", 3), (f"{tmp_path}/requirements.txt", 2)]


@pytest.mark.parametrize(
    ("policy", "files"),
    [
        ("pinned", {"requirements": "ours[more]==1.0; python_version > '3'\nsix===1.17.0\n--require-hashes\n"}),
        ("pinned", {"requirements": "-r base.txt\n-c limits.txt\n", "base": "ours\n", "limits": "ours==1.0\nsix<2\n"}),
        ("locked", {"requirements": f"ours==1.0 {HASH}\n--only-binary :all:\n"}),
        ("locked", {"requirements": "# nothing\n"}),
    ],
)
def test_what_a_policy_allows_is_read(under, policy, files):
    assert under(policy, **files).policy == policy


def test_an_asset_without_requirements_is_allowed_everywhere(tmp_path):
    assert find_requirements(tmp_path / "orders.py", tmp_path, "locked").path is None


@pytest.mark.parametrize(
    ("table", "allowed"),
    [('index = [{ name = "a", url = "https://a" }]', False), ('exclude-newer = "2026-01-01"', True)],
)
def test_settings_in_a_script_are_refused_where_they_say_where_packages_come_from(tmp_path, table, allowed):
    script = tmp_path / "orders.py"
    script.write_text(f'# /// script\n# dependencies = ["ours==1.0"]\n# [tool.uv]\n# {table}\n# ///\n')
    if allowed:
        assert find_requirements(script, tmp_path, "pinned").inline
        return
    with pytest.raises(AssetError, match=rf"{script}:3:1: \[tool\.uv\] sets index, which the policy"):
        find_requirements(script, tmp_path, "pinned")


def test_under_locked_hashes_decide_and_every_package_has_to_be_listed(under, package_index, folder, log):
    package_index.add("ours", requires=["theirs"])
    package_index.add("theirs")
    right = [
        f"{name}==1.0 --hash=sha256:{package_index.sha256(f'{name}-1.0-py3-none-any.whl')}"
        for name in ("ours", "theirs")
    ]
    requirements = under("locked", requirements="\n".join(right))
    environment = ensure_environment(requirements, OWN, folder, log, index=package_index.url)
    assert [entry.split()[0] for entry in entries_of(environment.lock)] == ["ours==1.0", "pyarrow==99.0", "theirs==1.0"]
    with pytest.raises(
        AssetError, match="theirs would be installed, as other packages need it, and is not listed, which"
    ):
        ensure_environment(under("locked", requirements=right[0]), OWN, folder, log, index=package_index.url)
    wrong = under("locked", requirements=f"ours==1.0 {HASH}\n{right[1]}\n")
    with pytest.raises(AssetError, match=r"requirements\.txt:1:1: 'ours==1\.0 --hash=sha256:0+' cannot be installed"):
        ensure_environment(wrong, OWN, folder, log, index=package_index.url)


def test_under_locked_nothing_is_built_from_source(under, package_index, folder, log):
    (package_index.folder / "ours-1.0.tar.gz").write_bytes(b"never opened")
    requirements = under("locked", requirements=f"ours==1.0 {HASH}\n")
    with pytest.raises(AssetError, match="ours==1.0 has no usable wheels"):
        ensure_environment(requirements, OWN, folder, log, index=package_index.url)
