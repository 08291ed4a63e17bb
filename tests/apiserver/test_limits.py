"""Clients that dawdle, ask too much at once, or send too much."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from k9lite.api.catalog import CONFIGMAPS
from k9lite.api.errors import ApiError
from k9lite.apiserver.limits import (
    HEADER_SECONDS,
    LOG_STALL_SECONDS,
    MAX_BODY,
    MAX_REQUESTS,
    STALL_SECONDS,
    Connection,
    InFlight,
)
from k9lite.apiserver.server import ApiServer
from k9lite.clock import SystemClock
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store
from tests.support.server import WrittenLogs
from tests.support.wait import eventually

HOST = b"Host: 127.0.0.1\r\n"
MAPS = b"/api/v1/namespaces/default/configmaps"


class Limited:
    """A server without TLS, spoken to over bare sockets."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.server = ApiServer(
            registry,
            host="127.0.0.1",
            port=0,
            certificates=None,
            log_source=WrittenLogs(),
            in_flight=InFlight(streams=3),
        )
        self.port = 0

    @property
    def connections(self) -> list[Connection]:
        return [each for each in self.server.guard.connections if isinstance(each, Connection)]

    def later(self, seconds: float) -> None:
        """What the server does about slow clients when so many seconds have passed."""
        self.server.guard.cut_slow(asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def socket(self, *, buffer: int = 0) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        bare = socket.socket()
        if buffer:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        bare.setblocking(False)
        await asyncio.get_running_loop().sock_connect(bare, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=bare, limit=1024)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def status(self, head: bytes, body: bytes) -> bytes:
        """The first line of an answer, which may come before the body was read."""
        async with self.socket() as (reader, writer):
            writer.write(head + body)
            return await reader.readline()

    async def ask(self, head: bytes, body: bytes = b"") -> bytes:
        """The whole answer to one request on a connection of its own."""
        async with self.socket() as (reader, writer):
            writer.write(head + body)
            return await reader.read()


@pytest_asyncio.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Limited]:
    store = await Store.open(tmp_path, clock=SystemClock(), history_seconds=3600, history_bytes=1 << 30)
    registry = Registry(store, SystemClock())
    await bootstrap(registry)
    made = Limited(registry)
    made.port = await made.server.start()
    yield made
    await made.server.stop()
    await store.close()


def request(path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"".join(each + b"\r\n" for each in headers) + b"\r\n"


# Slow clients ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("sent", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
async def test_headers_that_do_not_arrive(limited: Limited, sent: bytes) -> None:
    async with limited.socket() as (reader, writer):
        writer.write(sent)
        await eventually(lambda: [each.head_bytes for each in limited.connections] == [len(sent)])
        limited.later(HEADER_SECONDS - 1)
        assert len(limited.connections) == 1
        limited.later(HEADER_SECONDS + 1)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await eventually(lambda: not limited.connections)


async def test_the_next_request_of_a_connection_is_timed_from_its_first_byte(limited: Limited) -> None:
    async with limited.socket() as (reader, writer):
        writer.write(request(b"/healthz"))
        await reader.readuntil(b"ok")
        limited.later(HEADER_SECONDS * 100)
        assert len(limited.connections) == 1, "an idle connection is no burden"
        writer.write(b"GET ")
        await eventually(lambda: limited.connections[0].head_since)
        writer.write(b"/healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        await reader.readuntil(b"ok")
        assert limited.connections[0].head_since == 0.0
        writer.write(b"GET ")
        await eventually(lambda: limited.connections[0].head_since)
        limited.later(HEADER_SECONDS + 1)
        await eventually(lambda: not limited.connections)


async def fill(limited: Limited) -> None:
    for index in range(40):
        await limited.registry.create(
            CONFIGMAPS, "default", {"metadata": {"name": f"m{index}"}, "data": {"x": "y" * 500_000}}
        )


@pytest.mark.parametrize("query", [b"", b"?watch=true"])
async def test_readers_that_stall_are_cut(limited: Limited, query: bytes) -> None:
    await fill(limited)
    async with limited.socket(buffer=4096) as (_, writer):
        writer.write(request(MAPS + query))
        await eventually(lambda: [each for each in limited.connections if each.stalled_since])
        (connection,) = limited.connections
        assert connection.transport is not None
        assert connection.transport.get_write_buffer_size() < 4 << 20, "what waits to be written is bounded"
        limited.later(STALL_SECONDS - 1)
        assert limited.connections == [connection]
        limited.later(STALL_SECONDS + 1)
        await eventually(lambda: not limited.connections)


def test_readers_of_logs_have_more_time() -> None:
    assert LOG_STALL_SECONDS > STALL_SECONDS


async def test_a_reader_that_goes_on_is_let_be(limited: Limited) -> None:
    await fill(limited)
    async with limited.socket(buffer=4096) as (reader, writer):
        writer.write(request(MAPS, b"Connection: close"))
        await eventually(lambda: [each for each in limited.connections if each.stalled_since])
        assert len(await reader.read()) > 20_000_000
    await eventually(lambda: not limited.connections)


# Too much --------------------------------------------------------------------------------------------
async def test_bodies_beyond_3_mib(limited: Limited) -> None:
    for length, code in ((MAX_BODY + 1, b"413"), (1 << 40, b"413")):
        head = request(MAPS, b"Content-Length: %d" % length, b"Connection: close", method=b"POST")
        assert (await limited.status(head, b" " * 1000)).startswith(b"HTTP/1.1 " + code)
    chunk = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
    head = request(MAPS, b"Transfer-Encoding: chunked", b"Connection: close", method=b"POST")
    assert (await limited.status(head, chunk * 4 + b"0\r\n\r\n")).startswith(b"HTTP/1.1 413")
    body = b'{"metadata":{"name":"x"}}'.ljust(MAX_BODY)
    head = request(MAPS, b"Content-Length: %d" % MAX_BODY, b"Connection: close", method=b"POST")
    assert (await limited.status(head, body)).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([b"X: " + b"x" * 70_000], b"400"),
        ([b"X%d: %s" % (number, b"x" * 10_000) for number in range(7)], b"431"),
        ([b"X%d: %s" % (number, b"x" * 10_000) for number in range(6)], b"200"),
        ([b"X%d: x" % number for number in range(500)], b"400"),
    ],
)
async def test_headers_beyond_64_kib(limited: Limited, headers: list[bytes], code: bytes) -> None:
    answer = await limited.ask(request(b"/healthz", *headers, b"Connection: close"))
    assert answer.split(b" ", 2)[1] == code, answer[:200]


async def test_headers_that_never_end(limited: Limited) -> None:
    async with limited.socket() as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST)
        for number in range(100):
            writer.write(b"X%d: %s\r\n" % (number, b"x" * 1000))
        assert b" 431 " in (await reader.readline())


async def test_too_many_requests_at_once(limited: Limited) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_REQUESTS):
            _, writer = await stack.enter_async_context(limited.socket())
            writer.write(request(MAPS, b"Content-Length: 10", method=b"POST"))
        head = request(b"/api/v1/namespaces", b"Connection: close")

        async def refused() -> bytes:
            answer = await limited.ask(head)
            return answer if answer.startswith(b"HTTP/1.1 429") else b""

        answer = await eventually(refused)
        assert b"Retry-After: 1\r\n" in answer
        assert b'"reason":"TooManyRequests"' in answer
        assert (await limited.ask(request(b"/readyz", b"Connection: close"))).endswith(b"ok")
        assert (await limited.ask(request(MAPS + b"?watch=1&timeoutSeconds=1", b"Connection: close"))).startswith(
            b"HTTP/1.1 200"
        )
    await eventually(lambda: not limited.connections)
    assert (await limited.ask(head)).startswith(b"HTTP/1.1 200")


async def test_too_many_streams_at_once(limited: Limited) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            reader, writer = await stack.enter_async_context(limited.socket())
            writer.write(request(MAPS + b"?watch=true"))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert (await limited.ask(request(MAPS + b"?watch=true", b"Connection: close"))).startswith(b"HTTP/1.1 429")
        assert (await limited.ask(request(MAPS, b"Connection: close"))).startswith(b"HTTP/1.1 200")
    await eventually(lambda: not limited.connections)


def test_places_are_given_back() -> None:
    places = InFlight(requests=1, streams=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), places.one(stream=False):
            raise RuntimeError
    with places.one(stream=True), places.one(stream=False):
        for stream in (True, False):
            with pytest.raises(ApiError), places.one(stream=stream):
                pass
