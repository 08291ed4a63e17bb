"""The REST client of every Kubernetes API server: k9lite's own and any other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.client import kubeconfig
from k9lite.client.errors import ConnectionLost
from k9lite.client.kubeconfig import Connection
from k9lite.client.transport import JSON, Transport, parsed
from k9lite.client.watch import lines_of, parse_event

if TYPE_CHECKING:
    import aiohttp

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

REQUEST_SECONDS = 60.0
"""Upstream's own limit for requests that are not streams."""
PAGE = 500
"""Objects asked for at once, as upstream's clients do: big lists come in parts and are never whole in memory twice."""
RETRIES_WHEN_BUSY = 5


class KubeClient:
    """Asks one API server as one user. Use from one event loop; `close` when done."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.context = connection.context
        self.cluster = connection.cluster
        self.namespace = connection.namespace
        self.server = connection.server
        self._transport = Transport(connection)
        self._version: Obj | None = None

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
        await self._transport.close()

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
            try:
                exchange = self._exchange(method, path, params, accept, data=data, content_type=content_type)
                async with exchange as answer:
                    return parsed(answer, await answer.read())
            except ApiError as error:
                wait = error.details.get("retryAfterSeconds")
                busy = error.code == 429 or (error.code >= 500 and method == "GET")
                if not busy or wait is None or attempt == RETRIES_WHEN_BUSY:
                    raise
            await asyncio.sleep(float(wait) * random.uniform(1.0, 1.2))
        raise AssertionError("not reached")

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        accept: str = JSON,
        *,
        data: bytes | None = None,
        content_type: str = JSON,
        read_seconds: float | None = REQUEST_SECONDS,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._transport.exchange(
            method,
            path,
            params=params or {},
            data=data,
            content_type=content_type,
            accept=accept,
            read_seconds=read_seconds,
        )

    async def _object(self, method: str, path: str, **options: Any) -> Obj:
        """An answer that has to be an object: what else answers there is no API server."""
        answer = await self.request(method, path, **options)
        if not isinstance(answer, dict):
            raise ConnectionLost(f"{self.server} does not answer as a Kubernetes API server does")
        return answer

    async def version(self) -> Obj:
        """What /version says, asked once."""
        if self._version is None:
            self._version = await self._object("GET", "/version")
        return self._version

    def websocket(
        self, path: str, params: Mapping[str, Any], protocols: tuple[str, ...]
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """A WebSocket of a subresource such as `exec`. Raises ApiError where the server refuses it, ConnectionLost."""
        return self._transport.websocket(path, params=params, protocols=protocols)

    # Objects -----------------------------------------------------------------------------------------
    async def get(self, resource: Resource, namespace: str | None, name: str, *, accept: str = JSON) -> Obj:
        """One object. Raises ApiError 404."""
        return await self._object("GET", resource.path(namespace, name), accept=accept)

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
        whole: Obj = {}
        pages = self.pages(
            resource, namespace, label_selector=label_selector, field_selector=field_selector, accept=accept
        )
        async with aclosing(pages) as source:  # type: ignore[type-var]
            async for page in source:
                if not whole:
                    whole = page
                    continue
                for key in ("items", "rows"):
                    if key in whole:
                        whole[key] += page.get(key) or []
        whole.get("metadata", {}).pop("continue", None)
        return whole

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        accept: str = JSON,
    ) -> AsyncIterator[Obj]:
        """The parts of a list as they come, all of one moment; each as `list` gives the whole. Raises ApiError 410
        where the server has forgotten that moment before the last part was asked for."""
        params: dict[str, Any] = {"limit": PAGE, **_selectors(label_selector, field_selector)}
        while True:
            page = await self._object("GET", resource.path(namespace), params=params, accept=accept)
            for key in ("items", "rows"):
                if key in page:
                    page[key] = page[key] or []
            for item in page.get("items") or ():
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            token = (page.get("metadata") or {}).get("continue")
            yield page
            if not token:
                return
            params["continue"] = token

    async def create(self, resource: Resource, namespace: str | None, obj: Obj, *, dry_run: bool = False) -> Obj:
        """The object as created. Raises ApiError 409 if it exists, 422 if it is not valid."""
        return await self._object("POST", resource.path(namespace), params=_dry_run(dry_run), body=obj)

    async def update(
        self, resource: Resource, namespace: str | None, name: str, obj: Obj, *, subresource: str | None = None
    ) -> Obj:
        """Replace an object whole. Raises ApiError 409 if it changed since `obj` was read."""
        return await self._object("PUT", resource.path(namespace, name, subresource), body=obj)

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
        return await self._object("PATCH", path, params=_dry_run(dry_run), body=patch, content_type=content_type)

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
        return await self._object("DELETE", resource.path(namespace, name), body=options)

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
        initial: bool = False,
        on_open: Callable[[], None] | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, object) until the server ends the stream, minutes later.

        Without `since` it starts with what there is; with `initial` (WatchList) a BOOKMARK with an annotation
        `k8s.io/initial-events-end` says that this was all. Raises ApiError (410: list anew) and ConnectionLost.
        """
        seconds = int(random.uniform(300, 600))
        params = {
            "watch": True,
            "allowWatchBookmarks": True,
            "timeoutSeconds": seconds,
            "resourceVersion": since,
            "sendInitialEvents": True if initial else None,
            "resourceVersionMatch": "NotOlderThan" if initial else None,
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
        since_seconds: int | None = None,
        since_time: str = "",
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Lines with their newline, as the container wrote them. Raises ApiError and ConnectionLost."""
        params = {
            "container": container or None,
            "follow": follow or None,
            "tailLines": tail,
            "previous": previous or None,
            "timestamps": timestamps or None,
            "sinceSeconds": since_seconds,
            "sinceTime": since_time or None,
            "limitBytes": limit_bytes,
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
        exchange = self._exchange("GET", path, params, accept, read_seconds=read_seconds)
        async with exchange as answer:
            if on_open:
                on_open()
            async for chunk in answer.content.iter_any():
                yield chunk


def _selectors(label_selector: str, field_selector: str) -> dict[str, Any]:
    return {"labelSelector": label_selector or None, "fieldSelector": field_selector or None}


def _dry_run(wanted: bool) -> dict[str, Any]:
    return {"dryRun": "All"} if wanted else {}


__all__ = ["JSON", "JSON_PATCH", "MERGE_PATCH", "STRATEGIC_PATCH", "TABLE", "KubeClient"]
