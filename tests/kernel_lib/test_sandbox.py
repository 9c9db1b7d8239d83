"""What code inside a sandbox can reach: only what it was given. Each promise has a test."""

import itertools
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel_lib.errors import Misconfigured
from kernel_lib.sandbox import (
    SandboxSpec,
    Usage,
    adopt,
    capabilities,
    end_remembered,
    forget,
    python_mounts,
    remember,
    start,
)
from kernel_lib.sandbox import process as process_module
from kernel_lib.sandbox.capabilities import Capabilities
from kernel_lib.sandbox.cgroup import ControlGroup
from kernel_lib.sandbox.seccomp import filter_program

_MIB = 1024**2
_serial = itertools.count()

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("bwrap") is None, reason="sandboxes need root and bubblewrap"
)
pytestmark = pytest.mark.root


def spec_of(code: str, **fields: object) -> SandboxSpec:
    defaults: dict[str, object] = {
        "name": f"test-{os.getpid()}-{next(_serial)}",
        "argv": (sys.executable, "-I", "-c", code),
        "env": {"PATH": "/usr/bin:/bin"},
        "uid": 50100,
        "gid": 50100,
        "readonly": python_mounts(),
        "die_with_parent": True,
    }
    return SandboxSpec(**(defaults | fields))  # type: ignore[arg-type]


def output_of(code: str, **fields: object) -> str:
    read, write = os.pipe()
    process = start(spec_of(code, **fields), stdout=write, stderr=write)
    os.close(write)
    try:
        with os.fdopen(read, "rb") as file:
            text = file.read().decode()
        process.wait(20)
    finally:
        process.remove()
    return text


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition must come true in time"
        time.sleep(0.01)


@needs_root
def test_program_runs_as_the_tenant_with_the_library_and_only_its_own_environment() -> None:
    os.environ["PLANTED_SECRET"] = "canary"
    try:
        text = output_of(
            "import os, kernel_lib, numpy\n"
            "print(os.getuid(), os.getgid(), os.getgroups(), sorted(os.environ))\n"
            "print([open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p.isdigit()])",
            env={"PATH": "/usr/bin:/bin", "GIVEN": "yes"},
        )
    finally:
        del os.environ["PLANTED_SECRET"]
    assert text.startswith("50100 50100 ")
    assert "'GIVEN'" in text
    assert "canary" not in text


@needs_root
def test_no_network_reaches_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = output_of(
            "import socket\n"
            f"for where in (('127.0.0.1', {port}), ('169.254.169.254', 80), ('192.0.2.1', 80)):\n"
            "    try: socket.create_connection(where, 2); print('REACHED')\n"
            "    except OSError as error: print('refused', error.errno)\n"
            "print(sorted(name for _, name in socket.if_nameindex()))"
        )
    assert "REACHED" not in text
    assert text.count("refused") == 3
    assert "['lo']" in text


@needs_root
def test_host_files_are_absent_and_the_platform_is_read_only(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    place = Path(python_mounts()[-1][1])
    text = output_of(
        "import os, pathlib\n"
        f"print(*(os.path.exists(path) for path in ({str(secret)!r}, '/root', '/home', '/sys')))\n"
        f"for path in ('/x', '/etc/x', '/usr/x', '/dev/x', {str(place / 'x')!r}):\n"
        "    try: open(path, 'w'); print('WROTE', path)\n"
        "    except OSError: pass\n"
        "open('/tmp/x', 'w').write('fine'); open('/dev/shm/x', 'w').write('fine'); print('end')"
    )
    assert text == "False False False False\nend\n"


@needs_root
def test_sources_below_a_private_directory_are_shown_and_writable_ones_belong_to_the_tenant(tmp_path: Path) -> None:
    private = tmp_path / "private"
    work = private / "work"
    work.mkdir(parents=True)
    (private / "note").write_text("read me")
    private.chmod(0o700)
    os.chown(work, 50100, 50100)
    text = output_of(
        "print(open('/note').read()); open('/home/tenant/made', 'w').write('mine')",
        readonly=(*python_mounts(), (str(private / "note"), "/note")),
        writable=((str(work), "/home/tenant"),),
    )
    assert text == "read me\n"
    assert (work / "made").read_text() == "mine"
    assert (work / "made").stat().st_uid == 50100


@needs_root
def test_other_processes_cannot_be_seen_or_signalled() -> None:
    text = output_of(
        "import os\n"
        "print(len([p for p in os.listdir('/proc') if p.isdigit()]))\n"
        f"try: os.kill({os.getpid()}, 0); print('SIGNALLED')\n"
        "except ProcessLookupError: print('none')"
    )
    assert text == "2\nnone\n"


@needs_root
def test_the_system_call_filter_refuses_dangerous_calls() -> None:
    text = output_of(
        "import ctypes, socket, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "calls = {'unshare': (0x10000000,), 'ptrace': (16, 1, 0, 0), 'mount': (b'x', b'/tmp', b'tmpfs', 0, None)}\n"
        "for name, arguments in calls.items():\n"
        "    print(name, getattr(libc, name)(*arguments), errno.errorcode[ctypes.get_errno()])\n"
        "for family in (socket.AF_VSOCK, socket.AF_PACKET, socket.AF_ALG):\n"
        "    try: socket.socket(family, socket.SOCK_STREAM); print('OPEN')\n"
        "    except OSError as error: print(errno.errorcode[error.errno])\n"
        "socket.socketpair()"
    )
    assert text == "unshare -1 EPERM\nptrace -1 EPERM\nmount -1 EPERM\n" + "EAFNOSUPPORT\n" * 3


@needs_root
def test_memory_limit_holds_for_all_processes_together() -> None:
    read, write = os.pipe()
    process = start(
        spec_of(
            "import os, sys\n"
            "for _ in range(4):\n"
            "    if os.fork() == 0:\n"
            "        block = bytearray(60 << 20); block[::4096] = b'x' * len(block[::4096])\n"
            "        import signal; signal.pause()\n"
            "for _ in range(4): print(os.wait()[1]); sys.stdout.flush()",
            memory_bytes=128 * _MIB,
        ),
        stdout=write,
        stderr=write,
    )
    os.close(write)
    try:
        with os.fdopen(read, "rb") as file:
            wait_until(lambda: b"9" in file.readline(), 20)
        assert process.usage().memory_peak_bytes <= 128 * _MIB
    finally:
        process.remove()


@needs_root
def test_process_limit_stops_a_fork_bomb() -> None:
    text = output_of(
        "import os, signal\n"
        "children = 0\n"
        "try:\n"
        "    while children < 500:\n"
        "        if os.fork() == 0: signal.pause()\n"
        "        children += 1\n"
        "except BlockingIOError: pass\n"
        "print(children)\n",
        processes=20,
    )
    assert 5 < int(text) < 20


@needs_root
def test_temporary_space_is_limited() -> None:
    text = output_of(
        "for place in ('/tmp/x', '/dev/shm/x'):\n"
        "    try:\n"
        "        with open(place, 'wb') as file:\n"
        "            for _ in range(64): file.write(bytes(1 << 20))\n"
        "    except OSError as error: print(error.errno)",
        tmp_bytes=8 * _MIB,
    )
    assert text == "28\n28\n"


@needs_root
def test_planted_python_configuration_is_not_loaded(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name in ("sitecustomize.py", "usercustomize.py", "struct.py", "pyvenv.cfg"):
        (work / name).write_text("print('PLANTED')\n")
    os.chown(work, 50100, 50100)
    text = output_of(
        "import struct, site; print('clean')",
        writable=((str(work), "/home/tenant"),),
        env={"PATH": "/usr/bin", "HOME": "/home/tenant", "PYTHONPATH": "/home/tenant"},
        cwd="/home/tenant",
    )
    assert text == "clean\n"


@needs_root
def test_a_passed_socket_carries_messages() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            code = f"import socket\nline = socket.socket(fileno={theirs.fileno()})\nline.send(line.recv(100)[::-1])"
            process = start(spec_of(code, pass_fds=(theirs.fileno(),)))
        try:
            ours.settimeout(20)
            ours.send(struct.pack("<q", 1))
            assert ours.recv(100) == struct.pack(">q", 1)
            assert process.wait(10) == 0
        finally:
            process.remove()


def test_a_passed_tcp_socket_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Misconfigured, match="AF_UNIX"):
        start(spec_of("", pass_fds=(server.fileno(),)))


@needs_root
def test_terminate_reaches_the_program_and_kill_ends_every_process() -> None:
    read, write = os.pipe()
    polite = start(
        spec_of(
            "import signal, sys\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
            "print('up', flush=True)\n"
            "signal.pause()"
        ),
        stdout=write,
    )
    stubborn = start(
        spec_of(
            "import os, signal\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "if os.fork() == 0: os.setsid()\n"
            "print('up', flush=True)\n"
            "while True: signal.pause()"
        ),
        stdout=write,
    )
    os.close(write)
    try:
        with os.fdopen(read, "rb") as file:
            for _ in range(3):
                assert file.readline() == b"up\n"
        polite.terminate()
        assert polite.wait(10) == 7
        stubborn.terminate()
        inside = stubborn.pids()
        assert len(inside) >= 4
        stubborn.kill()
        assert stubborn.pids() == []
        assert stubborn.poll() is not None
    finally:
        polite.remove()
        stubborn.remove()
    for process in (polite, stubborn):
        assert not any(directory.exists() for directory in ControlGroup.at(process.name).directories.values())


@needs_root
def test_a_running_sandbox_is_taken_over_by_its_state() -> None:
    process = start(spec_of("import signal; signal.pause()"))
    try:
        again = adopt(process.state())
        assert again.poll() is None
        wait_until(lambda: again.usage().processes >= 3)
        again.kill()
        assert process.wait(10) is not None
        wait_until(lambda: again.poll() is not None)
        again.remove()
        assert adopt(process.state()).poll() is not None
    finally:
        process.remove()


@needs_root
def test_two_sandboxes_of_one_name_do_not_run_at_once() -> None:
    spec = spec_of("import signal; signal.pause()")
    process = start(spec)
    try:
        wait_until(lambda: bool(process.pids()))
        with pytest.raises(Misconfigured, match="one sandbox of a name"):
            start(spec)
    finally:
        process.remove()


def test_a_missing_source_is_refused_and_leaves_nothing() -> None:
    if not capabilities().isolates:
        pytest.skip("this machine cannot isolate")
    spec = spec_of("", readonly=(("/no/such/place", "/x"),))
    with pytest.raises(Misconfigured, match="/no/such/place must exist"):
        start(spec)
    assert not any(directory.exists() for directory in ControlGroup.at(spec.name).directories.values())


def test_a_machine_that_cannot_isolate_refuses_unless_the_code_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Capabilities(
        root=False, bubblewrap=False, user_namespaces=False, cgroup="none", seccomp=False, reasons=["no bubblewrap"]
    )
    monkeypatch.setattr(process_module, "capabilities", lambda: bare)
    spec = spec_of("import sys; sys.exit(3)")
    with pytest.raises(Misconfigured, match="no bubblewrap"):
        start(spec)
    process = start(spec, trusted=True)
    assert process.wait(20) == 3
    assert process.usage() == Usage()
    process.remove()


@needs_root
def test_an_ordinary_user_can_start_a_sandbox_too() -> None:
    # The package's sources may lie where an ordinary user cannot read; this test needs them readable.
    code = (
        "from kernel_lib.sandbox import SandboxSpec, python_mounts, start; import sys\n"
        "spec = SandboxSpec(name='ordinary', argv=(sys.executable, '-I', '-c', 'import os; print(os.getuid())'),"
        " env={'PATH': '/usr/bin'}, readonly=python_mounts())\n"
        "process = start(spec); print(process.wait(20)); process.remove()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], user=50101, group=50101, extra_groups=[], capture_output=True, text=True,
        timeout=60, check=False, cwd="/",
    )  # fmt: skip
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.skip("the package lies below a directory that other users cannot pass")
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("50101")
    assert done.stdout.splitlines()[1] == "0"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_fits_the_kernels_limit(machine: str) -> None:
    program = filter_program(machine)
    assert program is not None
    assert 0 < len(program) // 8 < 4096


def test_no_filter_is_made_up_for_an_unknown_processor() -> None:
    assert filter_program("riscv64") is None


@pytest.mark.parametrize(
    "fields", [{"name": "a/b"}, {"argv": ()}, {"memory_bytes": 0}, {"uid": 0}, {"readonly": (("relative", "/x"),)}]
)
def test_an_impossible_spec_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(Misconfigured):
        spec_of("", **fields)


@needs_root
def test_what_outlives_its_starter_is_ended_by_what_was_written_down(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    codes = {"polite": "import time; time.sleep(60)", "deaf": deaf, "stopped": "import time; time.sleep(60)"}
    running = {name: start(spec_of(code, die_with_parent=False)) for name, code in codes.items()}
    for name, each in running.items():
        remember(each, tmp_path, name)
    (tmp_path / "torn.json").write_bytes(b"{")
    forget(tmp_path, "stopped")
    assert end_remembered(tmp_path, wait_s=0.5) == 2
    assert [running[name].poll() is None for name in codes] == [False, False, True]
    assert list(tmp_path.iterdir()) == []
    running["stopped"].remove()
    assert end_remembered(tmp_path / "absent") == 0
