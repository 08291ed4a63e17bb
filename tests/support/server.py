"""A real API server over a real store in this process, without controllers, TLS or node: for tests of clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from k9lite.apiserver.server import ApiServer
from k9lite.client.kubeconfig import Connection
from k9lite.client.rest import KubeClient
from k9lite.clock import SystemClock
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store


class WrittenLogs:
    """A log source of fixed lines by pod name."""

    def __init__(self) -> None:
        self.lines: dict[str, list[bytes]] = {}

    async def logs(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail_lines: int | None, previous: bool,
        timestamps: bool, since: float | None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        lines = self.lines.get(pod, [])
        for line in lines if tail_lines is None else lines[len(lines) - tail_lines :]:
            yield line


class Server:
    """One registry, served on a port that stays the same over stops."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.logs = WrittenLogs()
        self.port = 0
        self._api: ApiServer | None = None
        self.client: KubeClient

    @property
    def connection(self) -> Connection:
        return Connection(f"http://127.0.0.1:{self.port}", context="test", cluster="test")

    async def listen(self) -> None:
        self._api = ApiServer(self.registry, host="127.0.0.1", port=self.port, certificates=None, log_source=self.logs)
        self.port = await self._api.start()

    async def stop_listening(self) -> None:
        if self._api:
            await self._api.stop()
            self._api = None


@asynccontextmanager
async def running_server(directory: Path) -> AsyncIterator[Server]:
    """A server with the objects of a fresh cluster, and a client of it."""
    clock = SystemClock()
    store = await Store.open(directory / "store", clock=clock, history_seconds=3600, history_bytes=1 << 24)
    registry = Registry(store, clock, service_cidr="10.96.0.0/16", node_ports=range(30000, 32768))
    await bootstrap(registry)
    server = Server(registry)
    await server.listen()
    server.client = KubeClient(server.connection)
    try:
        yield server
    finally:
        await server.client.close()
        await server.stop_listening()
        await store.close()
