"""A cluster that tests share which only look, or whose writes are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.cluster import Cluster, cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made
