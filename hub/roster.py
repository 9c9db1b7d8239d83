"""The services behind the hub, and who may do what: one line adds a service, one entry a right."""

import secrets
from typing import Any

import msgspec

from hub.sockets import service_socket, unix_url
from kernel_lib.config import Home, Secret
from kernel_lib.errors import Misconfigured
from kernel_lib.stores.accounts import Tenant

__all__ = ["SERVICES", "HubService", "create_tokens", "hub_roles", "hub_services", "read_token", "service_routes"]


class HubService(msgspec.Struct, frozen=True):
    """A program beside the hub, reached at ``/services/<name>/`` with a hub token."""

    name: str
    module: str
    scopes: tuple[str, ...] = ()
    """What its own token may do at the hub; checking a caller's token needs nothing."""
    login_reaches: tuple[str, ...] = ()
    """Not empty for a service that people open in a browser: the services it may ask with its viewer's token."""


SERVICES = (
    HubService("api", "hub.services.api"),
    HubService("data", "hub.services.data"),
    HubService("desk", "dashboards.desk", login_reaches=("api", "data")),
)

# The stock role "user" carries "self", which includes starting servers; traders must not.
_EVERYBODY = ("read:users!user", "users:activity!user", "tokens!user")
_RESEARCHER = ("servers!user", "access:servers!user")


def hub_services(home: Home) -> list[dict[str, Any]]:
    """Write the services as JupyterHub's ``services`` setting."""
    return [
        {"name": each.name, "display": False, "api_token": read_token(home, each.name).reveal(), **_login(each)}
        for each in SERVICES
    ]


def _login(service: HubService) -> dict[str, Any]:
    if not service.login_reaches:
        return {}
    return {
        "oauth_client_id": f"service-{service.name}",
        "oauth_redirect_uri": f"/services/{service.name}/oauth_callback",
        "oauth_client_allowed_scopes": [f"access:services!service={name}" for name in service.login_reaches],
        # The page is the platform's own; a question whether it may know its user would teach people to say yes.
        "oauth_no_confirm": True,
    }


def service_routes(home: Home) -> dict[str, str]:
    """Write where the proxy finds each service, by path."""
    return {f"/services/{each.name}/": unix_url(service_socket(home, each.name)) for each in SERVICES}


def hub_roles(tenants: list[Tenant]) -> list[dict[str, Any]]:
    """Write the rights as JupyterHub's ``load_roles``; an admin's reach ends at the own tenant."""
    reach = [f"access:services!service={each.name}" for each in SERVICES]
    roles: list[dict[str, Any]] = [
        {"name": "user", "description": "Everybody", "scopes": [*_EVERYBODY, *reach]},
        {"name": "researcher", "description": "Has notebook servers", "scopes": list(_RESEARCHER),
         "groups": ["role:admin", "role:quant"]},
        # What a notebook may do with its own server's token.
        {"name": "server", "description": "A notebook server",
         "scopes": ["users:activity!user", "access:servers!server", "read:users:name!user", *reach]},
    ]  # fmt: skip
    for tenant in tenants:
        group = f"tenant:{tenant.name}"
        scopes = ["admin-ui", f"list:users!group={group}", f"read:users!group={group}", f"servers!group={group}"]
        roles.append({
            "name": f"admin-{tenant.name.lower().replace('_', '-')}", "description": f"Runs tenant {tenant.name}",
            "scopes": scopes, "groups": [f"admin:{tenant.name}"],
        })  # fmt: skip
    roles += [
        {"name": f"service-{each.name}", "scopes": list(each.scopes), "services": [each.name]}
        for each in SERVICES
        if each.scopes
    ]
    return roles


def create_tokens(home: Home) -> None:
    """Make a private token file for each service and for the proxy, unless it is there."""
    for name in (*(each.name for each in SERVICES), "proxy"):
        path = home / "keys" / f"{name}.token"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))


def read_token(home: Home, name: str) -> Secret:
    """Read one token file."""
    path = home / "keys" / f"{name}.token"
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise Misconfigured(f"the token must be at {path}: {error}; 'tickhub up' creates it") from error
    if len(text) < 32:
        raise Misconfigured(f"{path} must hold a token of at least 32 characters; delete it and start again")
    return Secret(text)
