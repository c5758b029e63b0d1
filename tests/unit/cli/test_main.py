from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def cli(tmp_path: Path, environments: Path):
    """Calls `airflow-materialize` as a shell would, in a folder of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__MATERIALIZE__ENVIRONMENTS": str(environments),
    }

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("airflow-materialize")), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    call.folder = tmp_path
    return call


def write(folder: Path, assets: dict[str, str]) -> None:
    (folder / "shop" / "assets").mkdir(parents=True)
    (folder / "shop" / "pipeline.yml").write_text("name: shop\n")
    for name, text in assets.items():
        (folder / "shop" / "assets" / f"{name}.py").write_text(text)


def test_a_folder_with_an_invalid_asset_runs_the_valid_ones_and_ends_with_2(cli):
    write(
        cli.folder,
        {"bad": '"""@bruin\nnonsense: 1\n@bruin"""\n', "good": '"""@bruin\nowner: me\n@bruin"""\nprint("good ran")\n'},
    )
    done = cli("run", "shop")
    assert done.returncode == 2
    assert "good  run    done" in done.stdout
    assert "good ran" in done.stderr
    assert "shop/assets/bad.py:2:1: nonsense: unknown field" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disabled_asset_is_a_line_and_no_failure(cli):
    write(
        cli.folder,
        {
            "off": '"""@bruin\nenabled: false\n@bruin"""\nraise SystemExit(3)\n',
            "child": '"""@bruin\ndepends: [off]\n@bruin"""\n',
        },
    )
    done = cli("run", "shop")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "off  skipped: disabled by its header"
    assert done.stdout.splitlines()[1].startswith("child  run    done")


def test_an_asset_that_fails_ends_with_1(cli):
    write(cli.folder, {"bad": '"""@bruin\nowner: me\n@bruin"""\nraise ValueError("no more pens")\n'})
    done = cli("run", "shop/assets/bad.py")
    assert done.returncode == 1
    assert "ValueError: no more pens" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "nowhere"),
        ("run", "shop", "--only", "lod"),
        ("run", "shop", "--var", "novalue"),
        ("run", "shop", "--start-date", "yesterday"),
        ("run", "shop", "--start-date", "2026-04-02", "--end-date", "2026-04-01"),
        ("validate", "nowhere"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(cli, arguments):
    write(cli.folder, {"good": '"""@bruin\nowner: me\n@bruin"""\n'})
    done = cli(*arguments)
    assert done.returncode == 2, done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_validate_shows_every_mistake_of_a_folder_with_paths_from_here(cli):
    write(
        cli.folder,
        {"bad": '"""@bruin\nnonsense: 1\nowner: [x]\n@bruin"""\n', "good": '"""@bruin\nowner: me\n@bruin"""\n'},
    )
    done = cli("validate", "shop/assets")
    assert done.returncode == 2
    assert [line.partition(": ")[0] for line in done.stderr.splitlines() if line.startswith("shop")] == [
        "shop/assets/bad.py:2:1",
        "shop/assets/bad.py:3:1",
    ]
    assert done.stdout == "shop: 2 assets, 2 problems\n"


def test_init_writes_what_validates_and_leaves_what_exists(cli):
    (cli.folder / ".airflowignore").write_text("mine\n")
    done = cli("init")
    assert done.returncode == 0
    assert (cli.folder / ".airflowignore").read_text() == "mine\n"
    assert "kept     .airflowignore" in done.stdout
    assert cli("validate", ".").stdout == "example: 1 asset, no problems\n"
