"""Who is asking: a client certificate, a bearer token, or nobody we know.

    certificate of our CA   CN is the user, each O a group; the TLS layer has checked it
    k9lite_...              a token of `k9lite token create`
    any other bearer token  a service account's

A request that shows a token which is no good is refused even where nobody needs to be known. Requests from web pages
are refused whoever sends them, and so are requests to a name that is not ours: a page whose name was made to lead to
this machine (DNS rebinding) would otherwise reach the API with what the browser knows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from k9lite.api.errors import ApiError, bad_request
from k9lite.apiserver.certificates import OWN_NAMES
from k9lite.apiserver.user_tokens import PREFIX
from k9lite.registry.users import AUTHENTICATED, EVERYONE, User

if TYPE_CHECKING:
    from aiohttp import web

    from k9lite.apiserver.service_tokens import ServiceTokens
    from k9lite.apiserver.user_tokens import UserTokens


class Authenticator:
    """Without TLS everyone is trusted: for tests on loopback."""

    def __init__(
        self,
        *,
        tls: bool,
        names: tuple[str, ...] = (),
        user_tokens: UserTokens | None = None,
        service_tokens: ServiceTokens | None = None,
    ) -> None:
        self._tls = tls
        self._names = frozenset(name.lower() for name in (*OWN_NAMES, *names))
        self.user_tokens = user_tokens
        self.service_tokens = service_tokens

    def check_origin(self, request: web.BaseRequest) -> None:
        """Raises ApiError 400 or 403."""
        if not _is_own_origin(request):
            raise ApiError(403, "Forbidden", "requests from web pages are not served")
        name = _host_name(request.headers.get("Host", ""))
        if name not in self._names:
            why = f'the Host header names "{name}", which is none of this server\'s names; K9LITE_API_NAMES adds some'
            raise ApiError(403, "Forbidden", why)

    def user_of(self, request: web.BaseRequest) -> User:
        """Raises ApiError 401."""
        if not self._tls:
            return EVERYONE
        transport = request.transport
        peer = transport.get_extra_info("peercert") if transport else None
        if peer:
            return _certified(peer["subject"])
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self.token_user(token.strip()) if kind.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        return user

    def token_user(self, token: str) -> User | None:
        """The user of a bearer token, None if there is none."""
        if token.startswith(PREFIX):
            return self.user_tokens.user_of(token) if self.user_tokens else None
        return self.service_tokens.user_of(token) if self.service_tokens and token else None


def unauthorized() -> ApiError:
    """401 in upstream's one word."""
    return ApiError(401, "Unauthorized", "Unauthorized")


@lru_cache(maxsize=256)
def _certified(subject: tuple[tuple[tuple[str, str], ...], ...]) -> User:
    """The user of a certificate's subject, as Python's ssl gives it."""
    parts: list[tuple[str, str]] = [part for each in subject for part in each]
    name = next((value for key, value in reversed(parts) if key == "commonName"), "")
    if not name:
        raise unauthorized()
    groups = [value for key, value in parts if key == "organizationName"]
    return User(name, (*groups, AUTHENTICATED))


def _is_own_origin(request: web.BaseRequest) -> bool:
    """Web pages name their origin. So do some WebSocket libraries of programs: the server itself, on loopback."""
    origin = request.headers.get("Origin")
    if not origin:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.netloc == request.headers.get("Host") and parts.hostname in ("127.0.0.1", "localhost", "::1")


def _host_name(host: Any) -> str:
    """`NAME`, `NAME:PORT` or `[IPv6]:PORT` without its port, in lower case. Raises ApiError 400."""
    text = str(host).strip().lower()
    if text.startswith("["):
        name, bracket, _ = text[1:].partition("]")
        return name if bracket else text
    if not text:
        raise bad_request("the request has no Host header")
    name, _, _ = text.partition(":")
    return name.rstrip(".")
