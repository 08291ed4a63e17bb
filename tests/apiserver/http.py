"""Requests as curl makes them, to a server in this process."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from k9lite.registry.registry import Registry

MERGE = "application/merge-patch+json"
DEFAULT = "/api/v1/namespaces/default"
PODS = f"{DEFAULT}/pods"
SERVICES = f"{DEFAULT}/services"
REPLICASETS = "/apis/apps/v1/namespaces/default/replicasets"

Answer = tuple[int, Any]


class Events:
    """The events of a watch, one after the other."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.status = answer.status
        self._content = answer.content

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self._content.readuntil(b"\n"), 10)
        event: dict[str, Any] = orjson.loads(line)
        return event

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Until the server ends the stream."""
        line = await self._content.readline()
        if not line:
            raise StopAsyncIteration
        event: dict[str, Any] = orjson.loads(line)
        return event

    async def take(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]

    async def rest(self) -> list[dict[str, Any]]:
        """Every event until the server ends the stream."""
        return [orjson.loads(line) for line in (await self._content.read()).splitlines()]


class Http:
    """One client of one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str, registry: Registry) -> None:
        self.session = session
        self.url = url
        self.registry = registry

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Status code and body; no Content-Type is sent where it is empty."""
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
        headers = {"Content-Type": content_type, "Accept": accept, **(headers or {})}
        skipped = () if content_type else ("Content-Type",)
        if not content_type:
            del headers["Content-Type"]
        async with self.session.request(
            method, self.url + path, data=data, headers=headers, skip_auto_headers=skipped
        ) as answer:
            content = await answer.read()
            is_json = answer.headers.get("Content-Type") == "application/json"
            return answer.status, orjson.loads(content) if is_json else content.decode()

    async def get(self, path: str, accept: str = "*/*") -> Any:
        status, body = await self.call("GET", path, accept=accept)
        assert status == 200, body
        return body

    async def names(self, path: str) -> list[str]:
        return [item["metadata"]["name"] for item in (await self.get(path))["items"]]

    async def create(self, path: str, body: Any) -> Any:
        status, made = await self.call("POST", path, body)
        assert status == 201, made
        return made

    async def patch(self, path: str, body: Any) -> Any:
        status, changed = await self.call("PATCH", path, body, MERGE)
        assert status == 200, changed
        return changed

    async def refused(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The Status of a request that fails, which says its own code."""
        status, failure = await self.call(method, path, body, content_type)
        assert status >= 400, failure
        assert (failure["kind"], failure["status"], failure["code"]) == ("Status", "Failure", status)
        return failure

    @asynccontextmanager
    async def watch(self, path: str, **query: Any) -> AsyncIterator[Events]:
        parameters = {"watch": "true"} | {key: str(value) for key, value in query.items()}
        async with self.session.get(self.url + path, params=parameters) as answer:
            assert answer.status == 200, await answer.text()
            yield Events(answer)


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


def service(name: str, **metadata: Any) -> dict[str, Any]:
    """The smallest object that is not graceful."""
    return {"metadata": {"name": name, **metadata}, "spec": {"ports": [{"port": 80}]}}
