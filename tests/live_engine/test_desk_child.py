"""A desk's process as the engine keeps it: the programs here are desks of a few lines."""

import os
import signal
import sys
from typing import Any

import pytest

from kernel_lib.errors import Transient
from live_engine.desk_child import DeskChild
from tests.mt5_feed.running import until

ANSWERS = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "die":
        sys.exit("a reason")
    print(json.dumps({"id": asked["id"], "ok": True, "said": asked["do"]}), flush=True)
"""
HANGS = """
import json, time
print(json.dumps({"ready": True}), flush=True)
time.sleep(600)
"""
COUNTS = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
heard = []
for line in sys.stdin:
    asked = json.loads(line)
    heard.append(asked["do"])
    print(json.dumps({"id": asked.get("id"), "ok": True, "heard": heard}), flush=True)
"""
LEAVES_A_CHILD = """
import os, subprocess, sys, json
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(8)"])
print(json.dumps({"ready": True}), flush=True)
os._exit(3)
"""


def child(program: str, **fields: Any) -> DeskChild:
    return DeskChild("acme", [sys.executable, "-c", program], dict(os.environ), **fields)


async def restarted(desk: DeskChild, starts: int, seconds: float = 15.0) -> None:
    await until(lambda: desk.starts >= starts, "it is started again", seconds)


async def ended(desk: DeskChild) -> None:
    """Stop a desk that does not listen without waiting for it."""
    await until(lambda: desk.pid is not None, "it runs")
    os.kill(desk.pid or 0, signal.SIGKILL)
    await desk.stop()


async def test_a_desk_that_dies_says_why_and_is_started_again() -> None:
    desk = child(ANSWERS)
    desk.start()
    assert (await desk.ask({"do": "state"}))["said"] == "state"
    with pytest.raises(Transient, match="acme"):
        await desk.ask({"do": "die"})
    await restarted(desk, 2)
    assert desk.last_error == "a reason"
    assert (await desk.ask({"do": "state"}))["ok"]
    await desk.stop()


async def test_a_desk_that_runs_and_does_not_answer_is_killed_and_started_again() -> None:
    desk = child(HANGS, heart_s=0.2)
    desk.start()
    await restarted(desk, 2)
    assert "must answer within" in desk.last_error
    await ended(desk)


async def test_a_desk_s_own_child_that_lives_on_does_not_keep_it_from_being_started() -> None:
    desk = child(LEAVES_A_CHILD)
    desk.start()
    await restarted(desk, 2, seconds=8.0)
    await desk.stop()


async def test_a_desk_that_cannot_be_started_is_tried_again_with_a_reason() -> None:
    desk = DeskChild("acme", ["/nonexistent/python"], {})
    desk.start()
    await restarted(desk, 2)
    assert "could not be started" in desk.last_error
    await desk.stop()


async def test_what_is_told_is_obeyed_before_what_is_asked_next_and_nobody_waits_for_it() -> None:
    desk = child(COUNTS)
    desk.tell({"do": "reload"})  # nobody is there yet, and whoever comes reads what there is
    desk.start()
    assert (await desk.ask({"do": "state"}))["heard"] == ["state"]
    desk.tell({"do": "reload"})
    assert (await desk.ask({"do": "state"}))["heard"] == ["state", "reload", "state"]
    await desk.stop()
    desk.tell({"do": "reload"})


async def test_a_question_without_an_answer_leaves_nothing_behind() -> None:
    desk = child(HANGS)
    desk.start()
    with pytest.raises(Transient, match=r"must answer in 0\.3 s"):
        await desk.ask({"do": "state"}, timeout_s=0.3)
    assert desk._questions == {}
    await ended(desk)
