"""Starts a notebook server inside its sandbox, on the listener that the spawner handed in.

The server never learns the socket's path, so nothing inside can put another socket in its place. This file is
shown to the sandbox alone, without the rest of the hub, and so imports nothing of it.
"""

import os
import socket

from jupyter_server.serverapp import ServerApp
from jupyterhub.singleuser import main

listener = socket.socket(fileno=int(os.environ.pop("TICKHUB_LISTENER_FD")))


def _add_listener(app: ServerApp) -> bool:
    app.http_server.add_socket(listener)
    return True


def _need_no_port(_: ServerApp) -> None:
    """The listener is there already."""


ServerApp._find_http_port = _need_no_port  # type: ignore[method-assign,assignment]
ServerApp._bind_http_server = _add_listener  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    main()
