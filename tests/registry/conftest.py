"""A registry on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store
from tests.support.clock import FakeClock


@pytest_asyncio.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    clock = FakeClock()
    store = await Store.open(tmp_path, clock=clock, history_seconds=3600, history_bytes=1 << 30)
    made = Registry(store, clock, service_cidr="10.96.0.0/24", node_ports=range(30000, 30004))
    await bootstrap(made)
    yield made
    await store.close()
