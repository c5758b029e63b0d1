from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEADER = '"""@bruin\nname: {}\n@bruin"""\n'


@pytest.fixture
def cli(tmp_path: Path, environments: Path):
    """Calls `airflow-materialize env` as a shell would, beside a pipeline of some assets."""
    place = tmp_path / "shop" / "assets"
    place.mkdir(parents=True)
    (tmp_path / "shop" / "pipeline.yml").write_text("name: shop\n")
    for name in ("orders", "customers"):
        (place / f"{name}.py").write_text(HEADER.format(name))

    def call(*arguments: str, folder: Path = environments) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("airflow-materialize")), "env", *arguments]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__MATERIALIZE__ENVIRONMENTS": str(folder),
        }
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    call.assets = place
    return call


def test_build_makes_each_environment_once_and_names_the_assets_that_use_it(cli):
    done = cli("build", "shop")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    path, _, names = line.partition("  ")
    assert names == "customers, orders"
    assert (Path(path) / "complete.json").exists()


def test_build_ends_with_2_where_one_does_not_resolve_and_builds_the_others(cli):
    (cli.assets / "bad.py").write_text(HEADER.format("bad") + '# /// script\n# dependencies = ["six==0.0.99"]\n# ///\n')
    done = cli("build", "shop")
    assert done.returncode == 2
    assert "bad: " in done.stderr
    assert "six==0.0.99" in done.stderr
    assert done.stdout.endswith("  customers, orders\n")


def test_an_invalid_asset_ends_a_build_with_2(cli):
    (cli.assets / "bad.py").write_text('"""@bruin\nnonsense: 1\n@bruin"""\n')
    done = cli("build", "shop")
    assert done.returncode == 2
    assert "bad.py:2:1: nonsense: unknown field" in done.stderr
    assert done.stdout.endswith("  customers, orders\n")


def test_build_resolves_anew_when_it_is_asked_to(cli, tmp_path):
    own = tmp_path / "environments"
    place = cli("build", "shop", folder=own).stdout
    [record] = (own / "locks").glob("*.txt")
    record.unlink()
    before = record.parent.stat().st_mtime_ns
    for arguments in (("build", "--upgrade", "shop"), ("build", "shop", "--upgrade")):
        done = cli(*arguments, folder=own)
        assert (done.returncode, done.stdout) == (0, place), done.stderr
        assert record.exists()
        assert record.parent.stat().st_mtime_ns > before
        before = record.parent.stat().st_mtime_ns


def test_path_prints_an_interpreter_that_has_what_the_asset_imports(cli):
    done = cli("path", "shop/assets/orders.py")
    assert done.returncode == 0, done.stderr
    subprocess.run([done.stdout.strip(), "-I", "-c", "import pyarrow, bruin"], check=True)


def test_list_shows_what_was_built_and_prune_removes_it(cli, tmp_path):
    own = tmp_path / "environments"
    assert cli("list", folder=own).stdout == ""
    place = cli("build", "shop", folder=own).stdout.partition("  ")[0]
    [line] = cli("list", folder=own).stdout.splitlines()
    assert line.startswith(Path(place).name.rpartition("-")[0])
    assert " 1 package " in line
    assert line.endswith(f"  unused  {place}")
    assert cli("prune", folder=own).stdout == "pruned no environments, 0.0 MB\n"
    done = cli("prune", "--max-size", "1KB", folder=own)
    assert done.stdout.startswith("pruned 1 environment, ")
    assert not Path(place).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build",), "env build needs the path of an asset or a folder"),
        (("list", "shop"), "env list takes no path"),
        (("list", "--max-size", "1GB"), "--max-size is for env prune alone"),
        (("path", "shop/assets/orders.py", "--upgrade"), "--upgrade is for env build alone"),
        (("prune", "--max-size", "much"), "--max-size: 'much' is no size\nHint: as 5GB"),
        (("path", "shop"), "shop names 2 assets\nHint: the path of one asset's file"),
    ],
)
def test_wrong_usage_says_what_would_be_right(cli, tmp_path, arguments, message):
    done = cli(*arguments, folder=tmp_path / "none")
    assert (done.returncode, done.stderr) == (2, f"{message}\n")
