"""The process supervisor: starts, notices, restarts, and leaves nothing behind."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner

from kernel_lib.cli.platform import logs
from kernel_lib.config import Home
from kernel_lib.errors import Transient
from kernel_lib.supervise import Program, Supervisor, ended_programs

LISTEN = """
import os, socket, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "w").write(f"{os.getpid()} {child.pid}")
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: s.accept()[0].close()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def poll(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = monotonic() + timeout_s
    while not true():
        assert monotonic() < deadline, "timed out"


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_with_children_starts_restarts_and_leaves_nothing(home: Home, tmp_path: Path) -> None:
    port, pids, script = free_port(), tmp_path / "pids", tmp_path / "listen.py"
    script.write_text(LISTEN)
    program = Program(
        name="listener", argv=(sys.executable, str(script), str(port), str(pids)), ready=f"tcp:127.0.0.1:{port}"
    )
    supervisor = Supervisor(home)
    seen: list[tuple[str, str]] = []
    try:
        supervisor.start([program])
        supervisor.wait_ready([program], 20.0, lambda name, news: seen.append((name, news)))
        assert seen[-1] == ("listener", "ready")
        first, child = map(int, pids.read_text().split())
        supervisor.start([program])  # a second start changes nothing
        assert running(first)
        os.kill(first, 9)
        poll(lambda: pids.read_text().split()[:1] not in ([], [str(first)]))
        supervisor.wait_ready([program], 20.0)
        second, second_child = map(int, pids.read_text().split())
        (ended,) = ended_programs(supervisor.log_path(supervisor.name))
        assert (ended.name, ended.how, ended.why) == ("listener", "exited", "terminated by SIGKILL")
        assert len(ended.at) == len("2026-11-22 03:53:47")
        log = CliRunner(env={"TICKHUB_HOME": str(home.root)}).invoke(logs, ["listener"])
        assert f"supervisor: {ended.at} listener exited: terminated by SIGKILL" in log.stderr
    finally:
        stopped = supervisor.stop()
    assert stopped
    assert not any(map(running, (second, second_child)))
    assert not supervisor.stop()
    if running(child):
        os.kill(child, 9)


def test_a_program_that_keeps_dying_is_named_with_the_end_of_its_log(home: Home) -> None:
    program = Program(name="doomed", argv=(sys.executable, "-c", "raise SystemExit('no port left')"))
    supervisor = Supervisor(home)
    try:
        supervisor.start([program])
        with pytest.raises(Transient, match=r"(?s)doomed.*no port left"):
            supervisor.wait_ready([program], 60.0)
    finally:
        supervisor.stop()


def test_its_files_are_private(home: Home) -> None:
    supervisor = Supervisor(home)
    program = Program(
        name="idle", argv=(sys.executable, "-c", "import time; time.sleep(600)"), env={"A": "50% it's, so"}
    )
    try:
        supervisor.start([program])
        supervisor.wait_ready([program], 20.0)
        assert supervisor.config.stat().st_mode & 0o077 == 0
        assert supervisor.socket.stat().st_mode & 0o077 == 0
        pid = supervisor.states()[0]["pid"]
        assert b"A=50% it's, so\0" in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        supervisor.stop()


def test_only_what_ended_since_the_supervisor_began_is_told(tmp_path: Path) -> None:
    log = tmp_path / "supervisor.log"
    assert ended_programs(log) == []
    log.write_text(
        "2026-11-21 09:00:00,001 WARN exited: api (exit status 1; not expected)\n"
        "2026-11-22 03:40:27,010 INFO supervisord started with pid 7\n"
        "2026-11-22 03:40:28,020 INFO spawned: 'api' with pid 8\n"
        "2026-11-22 03:53:47,731 WARN exited: redis (terminated by SIGKILL; not expected)\n"
        "2026-11-22 03:54:00,000 INFO gave up: api entered FATAL state, too many start retries too quickly\n"
    )
    assert [(each.name, each.how, each.why) for each in ended_programs(log)] == [
        ("redis", "exited", "terminated by SIGKILL"),
        ("api", "gave up", "entered FATAL state, too many start retries too quickly"),
    ]
