"""The embedded servers start, answer on private sockets only, and leave nothing behind."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from kernel_lib.config import Home
from kernel_lib.errors import Misconfigured, Transient
from kernel_lib.stores.embedded import Launch, embedded, postgres_bin, prepare, wait_ready


def test_both_servers_answer_and_leave_nothing() -> None:
    with embedded() as (home, urls):
        root = home.root.parent
        with psycopg.connect(urls.accounts.replace("/tickhub?", "/postgres?")) as connection:
            row = connection.execute("show listen_addresses").fetchone()
            assert row is not None
            assert row[0] == ""
        client = redis_client.Redis.from_url(urls.live)
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("port")["port"] == "0"
        client.close()
        assert (home / "run" / "pg").stat().st_mode & 0o777 == 0o700
        assert (home / "run" / "redis").stat().st_mode & 0o777 == 0o700
        if os.geteuid() == 0:
            # Only the user who runs the platform gets in: by the kernel's word, not only by the directory's mode.
            (home / "run" / "pg").chmod(0o777)
            (home / "run" / "pg" / ".s.PGSQL.5432").chmod(0o777)
            done = subprocess.run(
                [str(postgres_bin() / "psql"), "-h", str(home / "run" / "pg"), "-U", "postgres", "-c", "select 1"],
                user="nobody", check=False, capture_output=True, text=True, cwd="/",
            )  # fmt: skip
            assert done.returncode == 2
            assert "Peer authentication failed" in done.stderr
        # Preparing again on a running home changes nothing.
        prepare(home)
    assert not root.exists()
    mine = [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if _mentions(entry, str(root))]
    assert mine == []


def test_a_home_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="at most 100 bytes"):
        prepare(Home(tmp_path / ("x" * 80)))


def test_waiting_for_a_server_that_never_comes_ends(tmp_path: Path) -> None:
    launch = Launch(argv=("nothing",), env={}, user="", socket=tmp_path / "no.sock")
    with pytest.raises(Transient, match="must answer"):
        wait_ready(launch, timeout_s=0.1)


def _mentions(entry: Path, text: str) -> bool:
    try:
        return os.fsencode(text) in entry.read_bytes()
    except OSError:
        return False
