"""A real proxy with real worker processes, and the backends it balances to."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from k9lite.clock import SystemClock
from k9lite.proxy.link import ProxyLink
from k9lite.proxy.table import Listener
from k9lite.settings import Settings
from tests.support.cluster import REPOSITORY, node_port_range
from tests.support.wait import eventually

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
KEY = "default/web:80"


def free_port() -> int:
    """A port of this test worker's part of the NodePort range, so that no outgoing connection takes it meanwhile."""
    first, last = node_port_range()
    for port in range(last, first, -1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


class Backend:
    """Answers each line with its name; on the line `wait`, only after `release` is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.release = asyncio.Event()
        self.waiting = asyncio.Event()
        self.open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            while line := await reader.readline():
                if line == b"wait\n":
                    self.waiting.set()
                    await self.release.wait()
                writer.write(self.name.encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def stop(self) -> None:
        self.release.set()
        if self._server is not None:
            self._server.close()
        for writer in list(self.open):
            writer.transport.abort()
        await eventually(lambda: not self.open)

    @property
    def endpoint(self) -> list[object]:
        return ["127.0.0.1", self.port, self.name, "uid-" + self.name]


@asynccontextmanager
async def backends(*names: str) -> AsyncIterator[list[Backend]]:
    made = [Backend(name) for name in names]
    try:
        for backend in made:
            await backend.start()
        yield made
    finally:
        for backend in made:
            await backend.stop()


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[list[object]]:
    """Any other backend; gives its endpoint."""
    listening = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield ["127.0.0.1", listening.sockets[0].getsockname()[1], "other", "uid-other"]
    finally:
        listening.close()


def listener(port: int, *endpoints: list[object], affinity: int = 0) -> Listener:
    return {"nodePort": port, "addresses": ["127.0.0.1"], "affinity": affinity, "endpoints": list(endpoints)}


def settings_in(directory: Path, workers: int = 2) -> Settings:
    os.environ.setdefault("PYTHONPATH", str(REPOSITORY))
    return Settings(home=directory, proxy_workers=workers)


@asynccontextmanager
async def proxy(workers: int = 2) -> AsyncIterator[ProxyLink]:
    """A link whose proxy is connected; both are gone afterwards, workers too."""
    with tempfile.TemporaryDirectory(prefix="k9lite-proxy-") as name:
        async with linked(settings_in(Path(name), workers)) as link:
            yield link


@asynccontextmanager
async def linked(settings: Settings) -> AsyncIterator[ProxyLink]:
    """The same in a directory of the caller."""
    link = ProxyLink(settings, SystemClock())
    try:
        await link.start()
        await eventually(lambda: link.connected)
        yield link
    finally:
        await link.stop(kill=True)


async def serve(link: ProxyLink, port: int, *endpoints: list[object], affinity: int = 0) -> None:
    """Set the table to one service, and wait until every worker balances by it."""
    await link.set_table({KEY: listener(port, *endpoints, affinity=affinity)})
    await eventually(lambda: len(link.workers) == workers_of(link))


def workers_of(link: ProxyLink) -> int:
    return link._settings.proxy_workers


async def ask(port: int, line: str = "hello", host: str | None = None) -> str:
    """The answer to one line on a connection of its own."""
    local = (host, 0) if host else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
    try:
        writer.write(line.encode() + b"\n")
        writer.write_eof()
        return (await reader.read()).decode().strip()
    finally:
        writer.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
