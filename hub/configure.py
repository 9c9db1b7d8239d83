"""Every setting of JupyterHub, from the home, the ports and the stores; ``jupyterhub_config.py`` only calls this."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy

from hub.authenticator import authenticator_over
from hub.roster import hub_roles, hub_services, read_token, service_routes
from hub.sockets import create_directories, hub_socket, proxy_api_socket, unix_url
from hub.spawner import spawner_over
from kernel_lib.config import Home, Ports, StoreUrls
from kernel_lib.errors import Misconfigured
from kernel_lib.sandbox import capabilities
from kernel_lib.stores.accounts import Accounts, PostgresAccounts
from kernel_lib.tiers import tier

__all__ = ["check_isolation", "configure"]

_TRUST = "TICKHUB_TRUST_ALL_USERS"
_TOKEN_DAYS = 30


def configure(c: Any, environ: Mapping[str, str]) -> None:
    """Fill JupyterHub's configuration object.

    Raises
    ------
    Misconfigured
        The accounts cannot be read, a token is missing, or the machine cannot keep tenants apart.
    """
    home, ports = Home.from_environ(environ), Ports.from_environ(environ)
    create_directories(home)
    accounts = PostgresAccounts(StoreUrls.from_environ(home, environ).accounts)
    tenants = accounts.tenants()
    trusted = check_isolation(len(tenants), environ)

    c.JupyterHub.bind_url = f"http://{ports.bind}:{ports.hub}"
    c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = unix_url(hub_socket(home))
    c.JupyterHub.hub_socket_mode = 0o666
    c.JupyterHub.db_url = f"sqlite:///{home / 'hub'}/hub.sqlite"
    c.JupyterHub.cookie_secret_file = str(home / "keys" / "cookie_secret")
    c.JupyterHub.data_files_path = _data_files()
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    c.JupyterHub.authenticate_prometheus = True
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.default_url = _first_page
    c.JupyterHub.named_server_limit_per_user = lambda handler: _named_servers(accounts, handler)
    c.JupyterHub.token_expires_in_max_seconds = _TOKEN_DAYS * 86_400
    c.JupyterHub.services = hub_services(home)
    c.JupyterHub.load_roles = hub_roles(tenants)
    c.JupyterHub.tornado_settings = {"headers": {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}}
    c.JupyterHub.template_vars = {"announcement_login": ""}
    c.JupyterHub.template_paths = [str(Path(__file__).with_name("templates"))]

    c.JupyterHub.proxy_class = _proxy_with(service_routes(home))
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = unix_url(proxy_api_socket(home))
    c.ConfigurableHTTPProxy.auth_token = read_token(home, "proxy").reveal()

    c.JupyterHub.authenticator_class = authenticator_over(accounts)
    c.Authenticator.auth_refresh_age = 300
    c.JupyterHub.spawner_class = spawner_over(accounts, home, trusted=trusted)


def check_isolation(n_tenants: int, environ: Mapping[str, str]) -> bool:
    """Say whether servers run as plain processes because all users trust one another.

    Raises
    ------
    Misconfigured
        There are several tenants, the machine cannot isolate them, and nobody said that they trust one another.
    """
    able = capabilities()
    if able.isolates:
        return False
    if n_tenants > 1 and environ.get(_TRUST) != "yes":
        raise Misconfigured(
            f"{n_tenants} tenants must be kept apart, this machine cannot: {'; '.join(able.reasons)}. Or set "
            f"{_TRUST}=yes if all users trust one another with their files, orders and passwords"
        )
    return True


def _proxy_with(routes: dict[str, str]) -> type[ConfigurableHTTPProxy]:
    # JupyterHub's own settings for services and for further routes refuse unix sockets; its proxy carries them.
    return type("ServiceProxy", (ConfigurableHTTPProxy,), {"extra_routes": routes})


def _first_page(handler: Any) -> str:
    # Whoever has no notebook servers must not land on the page that starts one; a trader's place is the desk.
    user = handler.current_user
    if user is None:  # left to itself, the hub leads through the login to its own home page, and not back here
        return f"{handler.hub.base_url}login"
    groups = {group.name for group in user.groups}
    if groups & {"role:quant", "role:admin"}:
        return f"{handler.hub.base_url}spawn"
    return f"{handler.base_url}services/desk/" if "role:trader" in groups else f"{handler.hub.base_url}home"


def _named_servers(accounts: Accounts, handler: Any) -> int:
    user = accounts.find_login(handler.current_user.name)
    tenant = accounts.tenant(user.tenant) if user else None
    return tier(tenant.tier if tenant else None).named_servers


def _data_files() -> str:
    import sys

    return os.path.join(sys.prefix, "share", "jupyterhub")
