"""Who the command line speaks for: a hub token from the environment, or a login by name and password."""

import os
from typing import TYPE_CHECKING

import click

from kernel_lib.config import Ports, Secret
from kernel_lib.errors import Refused, Transient

if TYPE_CHECKING:
    from kernel_lib.client import Client

__all__ = ["connect"]

_LIFETIME_S = 900


def connect(user: str | None) -> "Client":
    """Give a client for ``user``; asks for the password unless ``TICKHUB_PASSWORD`` holds it.

    Without a user, ``JUPYTERHUB_API_TOKEN`` says who it is, as inside a notebook server.

    Raises
    ------
    Refused
        Code ``login``: name or password are wrong.
    Transient
        The hub does not answer.
    """
    from kernel_lib.client import Client

    ports = Ports.from_environ(os.environ)
    url = os.environ.get("TICKHUB_URL") or f"http://{ports.bind}:{ports.hub}"
    if user is None and os.environ.get("JUPYTERHUB_API_TOKEN"):
        return Client.from_environ(
            os.environ if os.environ.get("TICKHUB_SERVICES") else {**os.environ, "TICKHUB_URL": url}
        )
    if user is None:
        user = click.prompt("User", err=True)
    password = os.environ.get("TICKHUB_PASSWORD") or click.prompt(f"Password of {user}", hide_input=True, err=True)
    stream = os.environ.get("TICKHUB_STREAM_URL") or f"ws://{ports.bind}:{ports.bridge}"
    return Client(_log_in(url, user, Secret(password)), url=url, stream_url=stream)


def _log_in(url: str, user: str, password: Secret) -> Secret:
    """Log in as a browser does, and have a token of a quarter of an hour made."""
    import httpx

    with httpx.Client(base_url=url, follow_redirects=True, timeout=30, trust_env=False) as browser:
        try:
            browser.get("/hub/login", params={"next": "/hub/home"})
            form = {"username": user, "password": password.reveal(), "_xsrf": _xsrf(browser)}
            browser.post("/hub/login", params={"next": "/hub/home", "_xsrf": _xsrf(browser)}, data=form)
            made = browser.post(
                f"/hub/api/users/{user}/tokens",
                json={"note": "tickhub command line", "expires_in": _LIFETIME_S},
                headers={"X-XSRFToken": _xsrf(browser)},
            )
        except httpx.HTTPError as error:
            raise Transient(f"the hub must answer at {url}: {error}; is it up?") from None
    if made.status_code != 201:
        raise Refused("login", f"name or password of {user!r} are wrong, or the account is locked for a while")
    return Secret(str(made.json()["token"]))


def _xsrf(browser: object) -> str:
    return str(browser.cookies.get("_xsrf", path="/hub/"))  # type: ignore[attr-defined]
