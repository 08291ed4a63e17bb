"""HTTP exchanges with one API server: connections, TLS, proxies, credentials, and errors in plain words.

aiohttp is imported with the first exchange, and the session lives in the loop that makes it.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import orjson

from k9lite import __version__
from k9lite.api.errors import ApiError
from k9lite.client.credentials import Credentials
from k9lite.client.errors import ConnectionLost
from k9lite.client.kubeconfig import Connection
from k9lite.client.proxies import proxy_of

if TYPE_CHECKING:
    import aiohttp

JSON = "application/json"
CONNECT_SECONDS = 10.0
WEBSOCKET_HEARTBEAT_SECONDS = 30.0
MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of one WebSocket message; servers send far smaller ones."""
CLOSE_SECONDS = 2.0
"""How long a server may take to answer that a WebSocket is closed."""
KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A server that vanishes without a word is noticed after 30 s, also on an idle watch."""


class Transport:
    """Opens its session in the running loop at the first exchange; `close` when done, it may be used again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session: aiohttp.ClientSession | None = None
        self._credentials: Credentials | None = None
        self._certificates = 0
        self._retired: list[aiohttp.ClientSession] = []

    async def close(self) -> None:
        """End all connections."""
        session, self._session = self._session, None
        retired, self._retired = self._retired, []
        for each in [*retired, *([session] if session else [])]:
            await each.close()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any],
        data: bytes | None,
        content_type: str,
        accept: str,
        read_seconds: float | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One exchange; the answer's body is not read yet. A 401 is tried once more where credentials can be renewed.

        Raises ConnectionLost, KubeconfigError; ApiError for answers of 300 and above.
        """
        import aiohttp

        query = {key: _query_value(value) for key, value in params.items() if value is not None}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_seconds)
        retried = False
        try:
            while True:
                if self._credentials is None:
                    self._credentials = Credentials(self._connection)
                headers = [("Accept", accept), *await self._credentials.headers()]
                if data is not None:
                    headers.append(("Content-Type", content_type))
                renewal = self._credentials.renewals
                async with self._open(self._credentials).request(
                    method,
                    self._connection.server + path,
                    params=query,
                    data=data,
                    headers=headers,
                    timeout=timeout,
                    proxy=proxy_of(self._connection.server, self._connection.proxy_url),
                    server_hostname=self._connection.tls_server_name or None,
                    allow_redirects=False,
                ) as answer:
                    if answer.status == 401 and not retried and self._credentials.refused(renewal):
                        retried = True
                        continue
                    if answer.status >= 300:
                        raise _error(answer, await answer.read())
                    yield answer
                    return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            where = self._connection.server
            raise ConnectionLost(f"the server {where} cannot be reached: {_reason(error)}") from error

    @asynccontextmanager
    async def websocket(
        self, path: str, *, params: Mapping[str, Any], protocols: tuple[str, ...]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket with the credentials, closed at the end. Raises ApiError with the server's own words where it
        refuses, ConnectionLost; what goes wrong while it is open is for whoever uses it."""
        socket = await self._connect_websocket(path, _pairs(params), protocols)
        try:
            yield socket
        finally:
            await socket.close()

    async def _connect_websocket(
        self, path: str, query: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> aiohttp.ClientWebSocketResponse:
        import aiohttp
        from yarl import URL

        if self._credentials is None:
            self._credentials = Credentials(self._connection)
        retried = False
        while True:
            headers = await self._credentials.headers()
            renewal = self._credentials.renewals
            try:
                return await self._open(self._credentials).ws_connect(
                    URL(self._connection.server + path).with_query(query),
                    protocols=protocols,
                    headers=headers,
                    proxy=proxy_of(self._connection.server, self._connection.proxy_url),
                    server_hostname=self._connection.tls_server_name or None,
                    max_msg_size=MAX_MESSAGE,
                    heartbeat=WEBSOCKET_HEARTBEAT_SECONDS,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
            except ApiError as error:
                if error.code != 401 or retried or not self._credentials.refused(renewal):
                    raise
                retried = True
            except aiohttp.WSServerHandshakeError as error:
                raise ConnectionLost(f"{self._connection.server} does not speak WebSocket: {error.message}") from error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                where = self._connection.server
                raise ConnectionLost(f"the server {where} cannot be reached: {_reason(error)}") from error

    def _open(self, credentials: Credentials) -> aiohttp.ClientSession:
        """The session. With another client certificate it is another one; streams of the old one run to their end."""
        if self._session is not None and self._certificates != credentials.certificates:
            self._retired.append(self._session)
            self._session = None
        if self._session is None:
            import aiohttp

            self._certificates = credentials.certificates
            connector = aiohttp.TCPConnector(
                ssl=True if credentials.tls is None else credentials.tls,
                limit=0,
                keepalive_timeout=30,
                socket_factory=_keepalive_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": f"k9lite/{__version__}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                raise_for_status=_raise_refused_upgrade,
            )
        return self._session


def parsed(answer: aiohttp.ClientResponse, content: bytes) -> Any:
    """The JSON of an answer, text where it is not JSON. Raises ConnectionLost for JSON that is cut off."""
    if JSON not in answer.headers.get("Content-Type", ""):
        return content.decode(errors="replace")
    try:
        return orjson.loads(content)
    except ValueError as error:
        raise ConnectionLost(f"the server at {answer.host} sent JSON that cannot be read: {error}") from error


def _pairs(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A query in which a list gives its key several times."""
    return [
        (key, _query_value(value))
        for key, values in params.items()
        for value in (values if isinstance(values, list | tuple) else [values])
        if value is not None
    ]


async def _raise_refused_upgrade(answer: aiohttp.ClientResponse) -> None:
    """For requests that ask for a WebSocket and get none: aiohttp would drop the Status that says why."""
    if answer.status != 101 and "Upgrade" in answer.request_info.headers:
        raise _error(answer, await answer.read())


def _query_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error(answer: aiohttp.ClientResponse, content: bytes) -> ApiError:
    """The Status the server sent; what it sent otherwise, shortened. `details.retryAfterSeconds` as its header says."""
    error = _status(answer, content)
    with suppress(KeyError, ValueError):
        error.details["retryAfterSeconds"] = max(0.1, min(30.0, float(answer.headers["Retry-After"])))
    return error


def _status(answer: aiohttp.ClientResponse, content: bytes) -> ApiError:
    with suppress(ValueError):
        status = orjson.loads(content)
        if isinstance(status, dict) and status.get("kind") == "Status":
            return ApiError.from_status(status, answer.status)
    location = answer.headers.get("Location", "")
    if answer.status < 400 and location:
        return ApiError(answer.status, "Unknown", f"the server sends us elsewhere ({answer.status} to {location})")
    text = content.decode(errors="replace").strip()[:300] or answer.reason or "no reason given"
    return ApiError(answer.status, "Unknown", f"the server answered {answer.status}: {text}")


def _reason(error: BaseException) -> str:
    """A short cause in plain words."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy cannot be reached: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the connection was closed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _keepalive_socket(info: Any) -> socket.socket:
    """A TCP socket whose peer is asked now and then whether it is still there."""
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # macOS has other names for some
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
