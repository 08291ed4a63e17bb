"""The REST client of every Kubernetes API server: k9lite's own and any other.

aiohttp is imported with the first request, and the session lives in the loop that makes it.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from k9lite import __version__
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.client import kubeconfig
from k9lite.client.credentials import Credentials
from k9lite.client.errors import ConnectionLost
from k9lite.client.kubeconfig import Connection
from k9lite.client.watch import lines_of, parse_event

if TYPE_CHECKING:
    import aiohttp

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 60.0
"""Upstream's own limit for requests that are not streams."""
PAGE = 5000
"""Objects asked for at once: big clusters answer lists in parts."""
RETRIES_WHEN_BUSY = 5
KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A server that vanishes without a word is noticed after 30 s, also on an idle watch."""


class KubeClient:
    """Asks one API server as one user. Use from one event loop; `close` when done."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.context = connection.context
        self.cluster = connection.cluster
        self.namespace = connection.namespace
        self.server = connection.server
        self._session: aiohttp.ClientSession | None = None
        self._credentials: Credentials | None = None

    @classmethod
    def from_kubeconfig(cls, path: Path | None = None, context: str | None = None) -> KubeClient:
        """The client of a context. Raises KubeconfigError."""
        return cls(kubeconfig.load(path, context))

    async def __aenter__(self) -> KubeClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections; the client may be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # Requests ----------------------------------------------------------------------------------------
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Any:
        """The parsed JSON of the answer (text where it is not JSON). Raises ApiError, ConnectionLost."""
        data = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        for attempt in range(RETRIES_WHEN_BUSY + 1):
            async with self._send(method, path, params, data, content_type, accept, REQUEST_SECONDS) as answer:
                content = await self._read(answer)
                if answer.status < 400:
                    return orjson.loads(content) if JSON in answer.headers.get("Content-Type", "") else content.decode()
                error = _error(answer, content)
                wait = _retry_after(answer)
            if error.code == 401 and attempt == 0 and self._credentials and self._credentials.refused():
                continue
            if error.code != 429 or wait is None or attempt == RETRIES_WHEN_BUSY:
                raise error
            await asyncio.sleep(wait * random.uniform(1.0, 1.2))
        raise AssertionError("not reached")

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        data: bytes | None,
        content_type: str,
        accept: str,
        read_seconds: float | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One exchange; the answer's body is not read yet. Raises ConnectionLost."""
        import aiohttp

        session = self._open()
        assert self._credentials is not None
        headers = {"Accept": accept, **await self._credentials.headers()}
        if data is not None:
            headers["Content-Type"] = content_type
        query = {key: _query_value(value) for key, value in (params or {}).items() if value is not None}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_seconds)
        try:
            async with session.request(
                method,
                self.server + path,
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
                proxy=self.connection.proxy_url or None,
                server_hostname=self.connection.tls_server_name or None,
                allow_redirects=False,
            ) as answer:
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ConnectionLost(f"the server {self.server} cannot be reached: {_reason(error)}") from error

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        return await answer.read()

    def _open(self) -> aiohttp.ClientSession:
        """The session, made in the running loop at first use. Raises KubeconfigError."""
        if self._session is None:
            import aiohttp

            tls = kubeconfig.ssl_context(self.connection)
            self._credentials = Credentials(self.connection, tls)
            connector = aiohttp.TCPConnector(
                ssl=True if tls is None else tls, limit=0, keepalive_timeout=30, socket_factory=_keepalive_socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": f"k9lite/{__version__}"},
                trust_env=not _is_loopback(self.server),
                auto_decompress=True,
            )
        return self._session

    # Objects -----------------------------------------------------------------------------------------
    async def get(self, resource: Resource, namespace: str | None, name: str, *, accept: str = JSON) -> Obj:
        """One object. Raises ApiError 404."""
        obj: Obj = await self.request("GET", resource.path(namespace, name), accept=accept)
        return obj

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        accept: str = JSON,
    ) -> Obj:
        """The List object with all its `items` (each with apiVersion and kind); a Table with its `rows` if asked for.

        `namespace` None: all namespaces. `metadata.resourceVersion` is where a watch goes on.
        """
        params: dict[str, Any] = {"limit": PAGE, **_selectors(label_selector, field_selector)}
        whole: Obj = await self.request("GET", resource.path(namespace), params=params, accept=accept)
        part = whole
        while token := (part.get("metadata") or {}).get("continue"):
            part = await self.request(
                "GET", resource.path(namespace), params={**params, "continue": token}, accept=accept
            )
            for key in ("items", "rows"):
                if key in whole:
                    whole[key] += part.get(key) or []
        for item in whole.get("items") or ():
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return whole

    async def create(self, resource: Resource, namespace: str | None, obj: Obj, *, dry_run: bool = False) -> Obj:
        """The object as created. Raises ApiError 409 if it exists, 422 if it is not valid."""
        made: Obj = await self.request("POST", resource.path(namespace), params=_dry_run(dry_run), body=obj)
        return made

    async def update(
        self, resource: Resource, namespace: str | None, name: str, obj: Obj, *, subresource: str | None = None
    ) -> Obj:
        """Replace an object whole. Raises ApiError 409 if it changed since `obj` was read."""
        updated: Obj = await self.request("PUT", resource.path(namespace, name, subresource), body=obj)
        return updated

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        content_type: str = MERGE_PATCH,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Obj:
        """Change parts of an object."""
        path = resource.path(namespace, name, subresource)
        patched: Obj = await self.request(
            "PATCH", path, params=_dry_run(dry_run), body=patch, content_type=content_type
        )
        return patched

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        propagation: str | None = None,
        grace_seconds: int | None = None,
        uid: str | None = None,
    ) -> Obj:
        """Delete an object. `propagation` is Background, Foreground or Orphan; `uid` makes sure it is that one."""
        options: Obj = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation:
            options["propagationPolicy"] = propagation
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid:
            options["preconditions"] = {"uid": uid}
        answer: Obj = await self.request("DELETE", resource.path(namespace, name), body=options)
        return answer

    async def scale(self, resource: Resource, namespace: str | None, name: str, replicas: int) -> Obj:
        """Set spec.replicas through the scale subresource; returns the Scale."""
        return await self.patch(resource, namespace, name, {"spec": {"replicas": replicas}}, subresource="scale")

    # Streams -----------------------------------------------------------------------------------------
    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        since: str | int | None = None,
        label_selector: str = "",
        field_selector: str = "",
        accept: str = JSON,
        on_open: Callable[[], None] | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, object) until the server ends the stream, minutes later.

        Without `since` it starts with what there is. Raises ApiError (410: list anew) and ConnectionLost.
        """
        seconds = int(random.uniform(300, 600))
        params = {
            "watch": True,
            "allowWatchBookmarks": True,
            "timeoutSeconds": seconds,
            "resourceVersion": since,
            **_selectors(label_selector, field_selector),
        }
        chunks = self._stream(resource.path(namespace), params, accept, seconds + 60.0, on_open)
        async with aclosing(chunks) as source, aclosing(lines_of(source)) as lines:  # type: ignore[type-var]
            async for line in lines:
                event = parse_event(line)
                if event is not None:
                    yield event

    async def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        """Lines with their newline, as the container wrote them. Raises ApiError and ConnectionLost."""
        params = {
            "container": container or None,
            "follow": follow or None,
            "tailLines": tail,
            "previous": previous or None,
            "timestamps": timestamps or None,
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        chunks = self._stream(path, params, "*/*", None if follow else REQUEST_SECONDS)
        async with aclosing(chunks) as source, aclosing(lines_of(source)) as lines:  # type: ignore[type-var]
            async for line in lines:
                yield line

    async def _stream(
        self,
        path: str,
        params: Mapping[str, Any],
        accept: str,
        read_seconds: float | None,
        on_open: Callable[[], None] | None = None,
    ) -> AsyncIterator[bytes]:
        async with self._send("GET", path, params, None, JSON, accept, read_seconds) as answer:
            if answer.status >= 400:
                raise _error(answer, await answer.read())
            if on_open:
                on_open()
            async for chunk in answer.content.iter_any():
                yield chunk


def _selectors(label_selector: str, field_selector: str) -> dict[str, Any]:
    return {"labelSelector": label_selector or None, "fieldSelector": field_selector or None}


def _dry_run(wanted: bool) -> dict[str, Any]:
    return {"dryRun": "All"} if wanted else {}


def _query_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error(answer: aiohttp.ClientResponse, content: bytes) -> ApiError:
    """The Status the server sent; what it sent otherwise, shortened."""
    try:
        status = orjson.loads(content)
        if isinstance(status, dict) and status.get("kind") == "Status":
            return ApiError.from_status(status, answer.status)
    except ValueError:
        pass
    text = content.decode(errors="replace").strip()[:300] or answer.reason or "no reason given"
    return ApiError(answer.status, "Unknown", f"the server answered {answer.status}: {text}")


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    try:
        return max(0.1, min(30.0, float(answer.headers["Retry-After"])))
    except (KeyError, ValueError):
        return None


def _reason(error: BaseException) -> str:
    """A short cause in plain words."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the connection was closed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _keepalive_socket(info: Any) -> socket.socket:
    """A TCP socket whose peer is asked now and then whether it is still there."""
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # macOS has other names for some
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


__all__ = ["JSON_PATCH", "MERGE_PATCH", "STRATEGIC_PATCH", "TABLE", "KubeClient"]
