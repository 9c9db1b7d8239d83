"""The files that say what is installed agree with one another."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    found = {re.split(r"[\[<>=;! ]", each, maxsplit=1)[0].lower().replace("_", "-") for each in requirements}
    return found - {"tickhub"}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def test_conda_users_get_what_make_installs() -> None:
    conda = (ROOT / "environment.yml").read_text()
    make = (ROOT / "Makefile").read_text()
    extras = re.search(r"EXTRAS := (\S+)", make)
    assert extras is not None
    assert f"-e .[{extras[1]}]" in conda
    assert "-c constraints.txt" in conda
    assert "-c constraints.txt" in make
    torch = re.search(r"torch==[\d.]+", conda)
    assert torch is not None
    assert torch[0] in make
    assert torch[0] in PROJECT["optional-dependencies"]["research"]


def test_everything_that_is_named_is_pinned() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = names(PROJECT["dependencies"]).union(
        *(names(extras[each]) for each in ("research", "server", "test", "lint"))
    )
    windows_only = {"metatrader5"}
    assert wanted - windows_only - set(pinned()) == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    differing = {
        name: (version, metadata.version(name))
        for name, version in pinned().items()
        if name in {each.metadata["Name"].lower().replace("_", "-") for each in metadata.distributions()}
        and metadata.version(name).split("+")[0] != version
    }
    assert differing == {}


def test_the_light_base_brings_nothing_heavy() -> None:
    heavy = {"numba", "pandas", "pyarrow", "scipy", "torch", "jupyterhub", "tornado", "redis", "psycopg", "chdb"}
    assert names(PROJECT["dependencies"]).isdisjoint(heavy)
    terminal = next(each for each in PROJECT["dependencies"] if each.startswith("MetaTrader5"))
    assert "sys_platform == 'win32'" in terminal
