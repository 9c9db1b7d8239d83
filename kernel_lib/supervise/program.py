"""One program of the platform, as data: the supervisor starts it, and a check says when it is ready."""

import http.client
import os
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

__all__ = ["Program", "connect_unix", "is_ready"]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is started, as whom, and how it shows that it is ready.

    Parameters
    ----------
    name : str
        As in ``tickhub status`` and the log's file name.
    argv : tuple of str
        Never holds a secret.
    env : mapping of str to str
        Added to a small common environment; secrets are files named here, not values.
    user : str
        System user to run as; empty for the user who runs the supervisor.
    ready : str or callable
        A function that gives True once it answers, or a check: ``tcp:HOST:PORT``, ``unix:PATH`` (somebody listens),
        ``http://...`` or ``unix+http:PATH:URLPATH`` (answers below 500), or empty: running is enough.
    priority : int
        Lower starts earlier and stops later.
    stop_signal : str
        ``"TERM"``, or ``"INT"`` for PostgreSQL's fast shutdown.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    user: str = ""
    ready: str | Callable[[], bool] = ""
    priority: int = 100
    stop_signal: str = "TERM"


def is_ready(check: str | Callable[[], bool], timeout_s: float = 1.0) -> bool:
    """Try a program's check once; a refused or silent connection is simply not ready yet."""
    if not check:
        return True
    if callable(check):
        return check()
    kind, _, rest = check.partition(":")
    try:
        if kind == "tcp":
            host, _, port = rest.rpartition(":")
            with socket.create_connection((host, int(port)), timeout_s):
                return True
        if kind == "unix":
            with connect_unix(rest, timeout_s):
                return True
        if kind == "unix+http":
            path, _, url_path = rest.rpartition(":")
            connection = http.client.HTTPConnection("localhost", timeout=timeout_s)
            connection.sock = connect_unix(path, timeout_s)
        else:
            parts = urlsplit(check)
            url_path = parts.path or "/"
            connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout_s)
        try:
            connection.request("GET", url_path)
            return connection.getresponse().status < 500
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def connect_unix(path: str, timeout_s: float) -> socket.socket:
    """Open a unix socket, closing it again if nobody listens."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_s)
        connection.connect(os.fspath(path))
    except OSError:
        connection.close()
        raise
    return connection
