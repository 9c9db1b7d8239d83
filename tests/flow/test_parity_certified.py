"""``tickhub parity``: what its author may claim, and what the platform runs in sandboxes and signs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernel_lib.certificate import certificate_path, read_certificate
from kernel_lib.config import Home
from kernel_lib.keys import create_keys, read_public_key
from kernel_lib.passport import store_approved
from kernel_lib.sandbox import capabilities
from kernel_lib.strategy import load_strategy
from tests.live_engine.desk_kit import approved_bundle

pytestmark = pytest.mark.flow

MINE = """
from kernel_lib import features as f
from kernel_lib.strategy import strategy

@strategy(on="tick", features={"change": f.price_change(7)}, params={"least": 0.0001})
def momentum(x, position, p):
    return 1.0 if x.change > p.least else -1.0 if x.change < -p.least else position.exposure
"""


@pytest.fixture(scope="module")
def ticks_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ticks") / "EURUSD.csv"
    rows = [
        f"2019.02.04\t{8 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000\t{1.1 + (at * 37 % 101) * 1e-5:.5f}\t"
        f"{1.1 + (at * 37 % 101) * 1e-5 + 6e-5:.5f}\t\t\t6"
        for at in range(3_000)
    ]
    path.write_text("<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n" + "\n".join(rows) + "\n")
    return path


def tickhub(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kernel_lib.cli", "parity", *arguments],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"TICKHUB_HOME": str(home.root)},
    )  # fmt: skip


def test_a_quants_own_run_is_a_claim(home: Home, ticks_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    done = tickhub(home, f"{tmp_path / 'mine.py'}:momentum", "--ticks", str(ticks_file), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["identical"], answer["gap"], answer["counts"]["ticks"]) == (True, None, 3_000)
    assert answer["counts"]["orders"] > 5
    create_keys(home)
    assert read_certificate(answer["evidence"], read_public_key(home))[1] is False


def test_the_platforms_run_of_a_submitted_strategy_is_signed_and_kept(home: Home, ticks_file: Path) -> None:
    create_keys(home)
    passport, approval, signature, _ = approved_bundle(load_strategy(MINE, "momentum"))
    store_approved(home, passport.encode(), approval, signature)
    trusted = () if capabilities().isolates else ("--trusted",)
    done = tickhub(home, "--certify", passport.hash[:10], "--tenant", "acme", "--ticks", str(ticks_file), *trusted)
    assert done.returncode == 0, done.stderr
    kept = certificate_path(home, "acme", passport.hash).read_text()
    certificate, signed = read_certificate(kept, read_public_key(home))
    assert (signed, certificate.verdict, certificate.counts["ticks"]) == (True, "identical", 3_000)


def test_what_is_asked_must_be_clear(home: Home) -> None:
    assert "give one of STRATEGY" in tickhub(home).stderr
    assert "--ticks FILE" in tickhub(home, "ma_cross").stderr
