"""A server and a plain HTTP client for each test; a server over TLS whose callers are told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio

from tests.apiserver.http import Http
from tests.apiserver.secured import Secured, secured
from tests.support.server import running_server


@pytest_asyncio.fixture
async def http(tmp_path: Path) -> AsyncIterator[Http]:
    async with (
        running_server(tmp_path) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield Http(session, f"http://127.0.0.1:{server.port}", server.registry)


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Secured]:
    async with secured(tmp_path) as made:
        yield made
