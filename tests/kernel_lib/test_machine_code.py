"""Where a fresh kernel finds compiled code: what the installation prepared, also for who prepared it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import sys
from pathlib import Path
sys.prefix = sys.argv[1]
from kernel_lib import machine_code
target = machine_code.cache_dir()
print(target, sorted(each.name for each in target.iterdir()), machine_code.prepared_dir(), sep="\\n")
"""


def run(prefix: Path, cache: Path) -> list[str]:
    environment = {name: text for name, text in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(prefix)], env=environment | {"TICKHUB_CACHE": str(cache)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.parametrize("was_there", [False, True])
def test_what_is_prepared_is_copied_where_nothing_is_yet(tmp_path: Path, *, was_there: bool) -> None:
    target, held, prepared = run(tmp_path / "prefix", tmp_path / "cache")
    assert held == "[]"
    if not was_there:
        Path(target).rmdir()
    Path(prepared).mkdir(parents=True)
    (Path(prepared) / "code").touch()
    assert run(tmp_path / "prefix", tmp_path / "cache")[1] == "['code']"


def test_what_the_user_has_is_left_alone(tmp_path: Path) -> None:
    target, _, prepared = run(tmp_path / "prefix", tmp_path / "cache")
    (Path(target) / "own").touch()
    Path(prepared).mkdir(parents=True)
    (Path(prepared) / "code").touch()
    assert run(tmp_path / "prefix", tmp_path / "cache")[1] == "['own']"
