"""The watcher over an agent; the agents here are programs of a few lines, each named for its habit."""

import os
import sys
from pathlib import Path

from mt5_feed.agent_watch import WORKER, WatchConfig, Watched, watch

QUICK = WatchConfig(start_s=60.0, wedged_s=1.5)
PATIENT = WatchConfig(start_s=60.0, wedged_s=60.0)
BEATS = "from mt5_feed.agent_watch import beat; beat()\n"
#: Counts its lives in a file, then does what the name says on its first.
LIVES = "import os, sys, time\nopen(sys.argv[1], 'a').write('x'); lives = len(open(sys.argv[1]).read())\n"


def lives_of(program: str, folder: Path, config: WatchConfig = PATIENT) -> tuple[int, int]:
    """Watch a program to its end; give its exit status and how often it was started."""
    path = folder / "lives"
    pauses: list[float] = []
    status = watch([sys.executable, "-c", LIVES + BEATS + program, str(path)], os.environ, config, pause=pauses.append)
    assert len(pauses) == len(path.read_text()) - 1
    return status, len(path.read_text())


def test_an_agent_wedged_in_a_call_is_killed_and_started_again(tmp_path: Path) -> None:
    assert lives_of("if lives == 1: time.sleep(600)\nos._exit(0)\n", tmp_path, QUICK) == (0, 2)


def test_an_agent_that_never_begins_is_killed_too(tmp_path: Path) -> None:
    program = "if lives == 1: time.sleep(600)\n"
    path = tmp_path / "lives"
    argv = [sys.executable, "-c", LIVES + program, str(path)]
    assert watch(argv, os.environ, WatchConfig(start_s=3.0), pause=lambda seconds: None) == 0
    assert path.read_text().startswith("xx")


def test_an_agent_that_works_is_left_alone(tmp_path: Path) -> None:
    program = "for _ in range(30):\n    time.sleep(0.1); beat()\nos._exit(0)\n"  # twice as long as one may be silent
    assert lives_of(program, tmp_path, QUICK) == (0, 1)


def test_an_agent_that_crashes_is_started_again_and_one_misconfigured_is_not(tmp_path: Path) -> None:
    assert lives_of("sys.exit(75 if lives < 3 else 78)\n", tmp_path) == (78, 3)


def test_an_agent_that_is_stopped_is_not_started_again(tmp_path: Path) -> None:
    path = tmp_path / "lives"
    argv = [sys.executable, "-c", LIVES + BEATS + "time.sleep(600)\n", str(path)]
    ends: list[int] = []

    def began(child: Watched) -> None:
        ends.append(1)
        child.stop()

    watch(argv, os.environ, QUICK, began=began, stopped=lambda: bool(ends))
    assert len(ends) == 1


def test_the_child_knows_that_it_is_the_agent(tmp_path: Path) -> None:
    assert lives_of(f"assert os.environ[{WORKER!r}]\n", tmp_path) == (0, 1)
