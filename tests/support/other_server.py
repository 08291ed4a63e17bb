"""API servers that are not ours: a small one that behaves as old, strict, slow or broken ones of other vendors do.

It keeps pods in memory and counts what it is asked; a test sets how it behaves. The same objects are served as
`widgets`, a kind of its own, which it prints with a column of their label `size`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from k9lite.client.kubeconfig import Connection

WIDGETS = {
    "name": "widgets",
    "singularName": "widget",
    "kind": "Widget",
    "namespaced": True,
    "verbs": ["list", "watch"],
}
VERSION = {"groupVersion": "example.com/v1", "version": "v1"}
GROUP = {"name": "example.com", "versions": [VERSION], "preferredVersion": VERSION}
DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": [GROUP]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis/example.com/v1": {"kind": "APIResourceList", "groupVersion": "example.com/v1", "resources": [WIDGETS]},
}
Event = tuple[int, str, dict[str, Any]]


@dataclass
class Behaviour:
    """Flags may be changed while the server runs."""

    minor: str = "24+"
    watch_list: str = "ignored"
    """served | refused | ignored (as before 1.27) | silent (initial events never end)."""
    forbidden: set[str] = field(default_factory=set)
    """`list`, `watch`, or a plural: answered by 403."""
    unauthorized: bool = False
    token: str = ""
    """If set, the bearer token that is asked for."""
    page: int = 0
    """If set, most objects of one part of a list, whatever is asked for."""
    expire_continue: int = 0
    """So many continue tokens are answered by 410."""
    gone: int = 0
    """So many watches are answered by an ERROR event of 410."""
    close_after: int = 0
    """If set, events after which a watch is closed in the middle of the next one."""
    busy: int = 0
    """So many requests are answered by 429 with Retry-After."""
    unavailable: bool = False
    rubbish: bool = False
    """Whether lists are HTML with status 200, as a captive portal's."""
    redirect: bool = False
    bookmarks: bool = False


class OtherServer:
    """`requests` counts by what was asked: `list`, `watch`, `version`, `watchlist`, `k9lite`."""

    def __init__(self) -> None:
        self.does = Behaviour()
        self.requests: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.version = 100
        self.pods: dict[str, dict[str, Any]] = {}
        self.port = 0
        self.scheme = "http"
        self._events: list[Event] = []
        self._news: set[asyncio.Event] = set()
        self._watches: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def connection(self, **options: Any) -> Connection:
        return Connection(self.url, context="other", cluster="other", **options)

    # What a cluster does by itself ---------------------------------------------------------------------
    def write(self, name: str, **labels: str) -> None:
        """Create or change a pod."""
        self.version += 1
        kind = "MODIFIED" if name in self.pods else "ADDED"
        self.pods[name] = {
            "metadata": {
                "name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": str(self.version),
                "labels": labels, "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:x": {}}}],
            },
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        }  # fmt: skip
        self._tell(kind, self.pods[name])

    def remove(self, name: str) -> None:
        self.version += 1
        gone = self.pods.pop(name)
        self._tell("DELETED", {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}})

    def _tell(self, kind: str, pod: dict[str, Any]) -> None:
        self._events.append((self.version, kind, json.loads(json.dumps(pod))))
        for news in self._news:
            news.set()

    def drop_watches(self) -> None:
        """Cut every connection that watches, in the middle."""
        for task in list(self._watches):
            task.cancel()

    # HTTP --------------------------------------------------------------------------------------------
    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.scheme = "https" if tls else "http"
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.drop_watches()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        does, path = self.does, request.path
        if does.unavailable:
            self.requests["refused"] += 1
            return _status(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        if does.busy:
            does.busy -= 1
            self.requests["busy"] += 1
            busy = _status(429, "TooManyRequests", "too many requests")
            busy.headers["Retry-After"] = "0"
            return busy
        if does.unauthorized or (does.token and request.headers.get("Authorization") != f"Bearer {does.token}"):
            self.requests["unauthorized"] += 1
            return _status(401, "Unauthorized", "Unauthorized")
        if path == "/version":
            self.requests["version"] += 1
            return web.json_response({"major": "1", "minor": does.minor, "gitVersion": "v1.24.17-other"})
        if path.startswith("/k9lite/"):
            self.requests["k9lite"] += 1
        if path in DISCOVERY:
            return web.json_response(DISCOVERY[path])
        if not path.endswith(("/pods", "/widgets")):
            plural = path.rpartition("/")[2]
            if plural in does.forbidden:
                return _forbidden("list", plural)
            if plural in ("namespaces", "nodes", "deployments", "services", "events"):
                return web.json_response({"kind": "List", "metadata": {"resourceVersion": "100"}, "items": None})
            return _status(404, "NotFound", "the server could not find the requested resource")
        if does.redirect:
            return web.Response(status=302, headers={"Location": "https://login.example.com/"})
        if request.query.get("watch"):
            return await self._watch(request)
        return self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        self.requests["list"] += 1
        if "list" in self.does.forbidden or "pods" in self.does.forbidden:
            return _forbidden("list", "pods")
        if self.does.rubbish:
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        names = sorted(self.pods)
        token = request.query.get("continue", "")
        if token and self.does.expire_continue:
            self.does.expire_continue -= 1
            return _status(410, "Expired", "The provided continue parameter is too old")
        start = int(token or 0)
        end = start + self.does.page if self.does.page else len(names)
        metadata = {"resourceVersion": str(self.version)}
        if end < len(names):
            metadata["continue"] = str(end)
        items = [self.pods[name] for name in names[start:end]]
        if "as=Table" in request.headers["Accept"]:
            return web.json_response({**_table(*items), "metadata": metadata})
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items or None})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        does = self.does
        initial = bool(request.query.get("sendInitialEvents")) and does.watch_list != "ignored"
        self.requests["watchlist" if request.query.get("sendInitialEvents") else "watch"] += 1
        if initial and does.watch_list == "refused":
            return _status(422, "Invalid", "sendInitialEvents: Forbidden: the WatchList feature gate is not enabled")
        if "watch" in does.forbidden or "pods" in does.forbidden:
            return _forbidden("watch", "pods")
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        news = asyncio.Event()
        self._news.add(news)
        try:
            await self._stream(request, answer, news, initial=initial)
        except asyncio.CancelledError:
            if request.transport:
                request.transport.abort()
        except ConnectionResetError:
            pass
        finally:
            self._news.discard(news)
            self._watches.discard(task)
        return answer

    async def _stream(
        self, request: web.Request, answer: web.StreamResponse, news: asyncio.Event, *, initial: bool
    ) -> None:
        if self.does.gone:
            self.does.gone -= 1
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await answer.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
            return
        since = request.query.get("resourceVersion", "")
        last = int(since) if since not in ("", "0") else self.version
        as_table = "as=Table" in request.headers["Accept"]
        if since in ("", "0"):
            for pod in list(self.pods.values()):
                await _send(answer, "ADDED", pod, as_table)
        if initial and self.does.watch_list == "served":
            ends = {"resourceVersion": str(last), "annotations": {"k8s.io/initial-events-end": "true"}}
            await _send(answer, "BOOKMARK", {"metadata": ends}, as_table)
        sent = 0
        while True:
            for version, kind, pod in [event for event in self._events if event[0] > last]:
                if self.does.close_after and sent >= self.does.close_after:
                    await answer.write(b'{"type":"ADDED","object":{"kind"')
                    raise asyncio.CancelledError
                await _send(answer, kind, pod, as_table)
                last, sent = version, sent + 1
            if self.does.bookmarks:
                await _send(answer, "BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}}, as_table)
            news.clear()
            await news.wait()


async def _send(answer: web.StreamResponse, kind: str, obj: dict[str, Any], as_table: bool) -> None:
    sent = _table(obj) if as_table else {**obj, "kind": "Pod", "apiVersion": "v1"}
    await answer.write(json.dumps({"type": kind, "object": sent}).encode() + b"\n")


def _table(*objs: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "columnDefinitions": [{"name": "Name", "type": "string"}, {"name": "Size", "type": "integer"}],
        "rows": [
            {
                "cells": [obj["metadata"].get("name"), obj["metadata"].get("labels", {}).get("size")],
                "object": {"kind": "PartialObjectMetadata", "metadata": obj["metadata"]},
            }
            for obj in objs
        ],
    }


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code},
        status=code,
    )


def _forbidden(verb: str, plural: str) -> web.Response:
    return _status(403, "Forbidden", f'{plural} is forbidden: User "u" cannot {verb} resource "{plural}"')


@asynccontextmanager
async def other_server(**behaviour: Any) -> AsyncIterator[OtherServer]:
    """A running server; options as the fields of Behaviour."""
    server = OtherServer()
    server.does = Behaviour(**behaviour)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
