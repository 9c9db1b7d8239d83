"""Who looks at a page: a hub login by OAuth, whose token stays in this process."""

from typing import Any

import msgspec
from jupyter_server.auth import Authorizer
from jupyterhub.services.auth import HubOAuth
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider, JupyterHubUser

from dashboards.settings import PREFIX, DeskSettings
from kernel_lib.config import Secret

__all__ = ["HubIdentity", "Viewer", "ViewersOnly", "hub_oauth"]

_SCOPES = {"access:services", "access:services!service=desk"}
_CACHE_S = 5


class Viewer(msgspec.Struct, frozen=True):
    """A logged-in person and the token that the hub gave this service for them."""

    name: str
    token: Secret


def hub_oauth(settings: DeskSettings) -> HubOAuth:
    """Set the hub's client up from our settings alone; nothing of it stands in the environment."""
    return HubOAuth(
        api_url=settings.hub_api, api_token=settings.token.reveal(), base_url=PREFIX, hub_host="", hub_prefix="/hub/",
        oauth_client_id="service-desk", oauth_redirect_uri=f"{PREFIX}oauth_callback",
        oauth_authorization_url="/hub/api/oauth2/authorize", oauth_token_url=f"{settings.hub_api}/oauth2/token",
        access_scopes=_SCOPES, cache_max_age=_CACHE_S,
    )  # fmt: skip


class HubIdentity(JupyterHubIdentityProvider):
    """JupyterHub's identity for Jupyter servers, for a service."""

    def viewer(self, handler: Any) -> Viewer:
        """Give the request's viewer; the request must be authenticated."""
        return Viewer(handler.current_user.username, Secret(self.hub_auth.get_token(handler)))

    async def still_allowed(self, viewer: Viewer) -> bool:
        """Ask the hub, not the cache, whether the viewer's token still opens this service.

        Raises
        ------
        Exception
            The hub does not answer.
        """
        model = await self.hub_auth.user_for_token(viewer.token.reveal(), use_cache=False, sync=False)
        if not model or model.get("name") != viewer.name:
            return False
        return bool(self.hub_auth.check_scopes(self.hub_auth.access_scopes, model))


class ViewersOnly(Authorizer):
    """Every logged-in viewer may use the page; what a page shows and does is the api's to allow."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return isinstance(user, JupyterHubUser)
