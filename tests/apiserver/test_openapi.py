"""The OpenAPI documents over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio

from tests.support.server import running_server


@pytest_asyncio.fixture
async def session(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with running_server(tmp_path) as server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as made:
        yield made


async def test_every_listed_document_is_there_and_may_be_kept(session: aiohttp.ClientSession) -> None:
    async with session.get("/openapi/v3") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        listed = (await answer.json())["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/discovery.k8s.io/v1"} <= set(listed)
    for entry in listed.values():
        async with session.get(entry["serverRelativeURL"]) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, immutable")
            assert "Expires" in answer.headers
            assert (await answer.json())["openapi"] == "3.0.0"
            tag = answer.headers["ETag"]
        async with session.get(entry["serverRelativeURL"], headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")


async def test_a_document_by_its_name_is_not_kept_and_an_old_hash_leads_to_the_new(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("/openapi/v3/apis/apps/v1") as answer:
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache, private")
        body = await answer.read()
    async with session.get("/openapi/v3/apis/apps/v1?hash=OLD") as answer:
        assert (len(answer.history), answer.headers["Cache-Control"]) == (1, "public, immutable")
        assert await answer.read() == body


async def test_what_there_is_not_is_not_found(session: aiohttp.ClientSession) -> None:
    for path in (
        "/openapi/v3/apis/nonsense/v1",
        "/openapi/v3/api/v2",
        "/openapi/v3/api",
        "/openapi/v3/x/y/z/v1",
        "/openapi/v4",
    ):
        async with session.get(path) as answer:
            assert answer.status == 404


async def test_the_second_version_is_empty(session: aiohttp.ClientSession) -> None:
    async with session.get("/openapi/v2") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Content-Type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
