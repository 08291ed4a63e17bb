"""port-forward: connections to a pod's ports over SPDY streams or WebSocket channels.

SPDY (kubectl): each local connection opens an `error` and a `data` stream of one requestid. WebSocket v4 (client
libraries): the query names the ports; channel 2i carries the i-th port's bytes and 2i+1 its errors, and the first frame
of each is the port, little-endian. Source: k8s.io/kubelet/pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from k9lite.api.errors import ApiError, bad_request
from k9lite.apiserver import spdy
from k9lite.apiserver.upgrades import (
    SPDY,
    VERSION_HEADER,
    accept_spdy,
    accept_websocket,
    upgrade_of,
    websocket_bytes,
)

if TYPE_CHECKING:
    from multidict import MultiMapping

Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connect to one port of the pod. Raises OSError."""

VERSION = "portforward.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v4.channel.k8s.io"
CHUNK = 32 * 1024
PAIR_SECONDS = 30.0
"""How long the second stream of a pair may take to come."""


async def serve(request: web.BaseRequest, pod: str, dial: Dial) -> web.StreamResponse:
    """Carry connections until the client goes. Raises ApiError before the upgrade."""
    if upgrade_of(request) == SPDY:
        offered = ",".join(request.headers.getall(VERSION_HEADER, []))
        if offered and VERSION not in offered:
            raise ApiError(403, "Forbidden", f"unable to upgrade: unsupported protocol {offered}; {VERSION} is served")
        raw = accept_spdy(request, VERSION)
        try:
            await _Forward(pod, dial, raw.read, raw.write).run()
        finally:
            raw.close()
        return web.Response()
    tunnels = TUNNEL in request.headers.get("Sec-WebSocket-Protocol", "")
    ports = [] if tunnels else _ports(request.query)
    socket = await accept_websocket(request, (TUNNEL, CHANNELS))
    if tunnels:
        await _Forward(pod, dial, *websocket_bytes(socket)).run()
    else:
        await _over_channels(socket, pod, ports, dial)
    await socket.close()
    return socket


def _ports(query: MultiMapping[str]) -> list[int]:
    """`ports=80&ports=81` or `ports=80,81`. Raises ApiError 400."""
    words = [word for given in query.getall("ports", []) for word in given.split(",")]
    if not words:
        raise bad_request('query parameter "ports" is required')
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 65536 for word in words) or len(words) > 64:
        raise bad_request(f"unable to parse ports {words}: each must be a number from 1 to 65535, at most 64 of them")
    return [int(word) for word in words]


def _refusal(pod: str, port: int, error: OSError) -> bytes:
    return f"error forwarding port {port} to pod {pod}: {error.strerror or error}".encode()


async def _pump(reader: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]) -> None:
    while chunk := await reader.read(CHUNK):
        await send(chunk)


# SPDY ------------------------------------------------------------------------------------------------
class _Forward:
    """All connections of one client."""

    def __init__(self, pod: str, dial: Dial, read: spdy.Read, write: spdy.Write) -> None:
        self._pod, self._dial = pod, dial
        self._connection = spdy.Connection(read, write, self._opened)
        self._waiting: dict[str, dict[str, spdy.Stream]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            with contextlib.suppress(spdy.SpdyError, OSError):
                await self._connection.run()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _opened(self, stream: spdy.Stream) -> None:
        kind, request = stream.headers.get("streamtype", ""), stream.headers.get("requestid", "")
        pair = self._waiting.setdefault(request, {})
        pair[kind] = stream
        if pair.keys() >= {"error", "data"}:
            del self._waiting[request]
            task = asyncio.create_task(self._carry(pair["data"], pair["error"]), name="port-forward")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif len(self._waiting) > spdy.MAX_STREAMS // 2:
            self._waiting.pop(next(iter(self._waiting)))

    async def _carry(self, data: spdy.Stream, error: spdy.Stream) -> None:
        port = data.headers.get("port", "")
        number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
        try:
            try:
                reader, writer = await self._dial(number)
            except OSError as problem:
                await error.write(_refusal(self._pod, number, problem))
                return
            try:
                await _exchange(reader, writer, data)
            finally:
                writer.close()
        except OSError:
            pass  # the client is gone
        finally:
            with contextlib.suppress(OSError):
                await data.end()
                await error.end()
            for stream in (data, error):
                self._connection.forget(stream)
                stream.abort()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: spdy.Stream) -> None:
    """Both ways until the pod has sent all; the client's end is passed on to it."""

    async def to_pod() -> None:
        with contextlib.suppress(OSError):
            while chunk := await data.read():
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    sending = asyncio.create_task(to_pod(), name="port-forward-to-pod")
    try:
        with contextlib.suppress(ConnectionError):
            await _pump(reader, data.write)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


# WebSocket channels ----------------------------------------------------------------------------------
async def _over_channels(socket: web.WebSocketResponse, pod: str, ports: list[int], dial: Dial) -> None:
    writers: dict[int, asyncio.StreamWriter] = {}
    readers: list[asyncio.Task[None]] = []
    ended: list[int] = []

    async def from_pod(index: int, reader: asyncio.StreamReader) -> None:
        async def send(chunk: bytes) -> None:
            await socket.send_bytes(bytes([2 * index]) + chunk)

        with contextlib.suppress(OSError):
            await _pump(reader, send)
        ended.append(index)
        if len(ended) == len(ports):
            await socket.close()

    try:
        for index, port in enumerate(ports):
            mark = port.to_bytes(2, "little")
            await socket.send_bytes(bytes([2 * index]) + mark)
            await socket.send_bytes(bytes([2 * index + 1]) + mark)
            try:
                reader, writers[index] = await dial(port)
            except OSError as problem:
                await socket.send_bytes(bytes([2 * index + 1]) + _refusal(pod, port, problem))
                ended.append(index)
                continue
            readers.append(asyncio.create_task(from_pod(index, reader), name="port-forward-from-pod"))
        if len(ended) < len(ports):
            await _take_channels(socket, writers)
    except OSError:
        pass  # the client is gone
    finally:
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for writer in writers.values():
            writer.close()


async def _take_channels(socket: web.WebSocketResponse, writers: dict[int, asyncio.StreamWriter]) -> None:
    async for message in socket:
        data = message.data.encode() if message.type is web.WSMsgType.TEXT else bytes(message.data)
        if len(data) < 2 or data[0] % 2:
            continue
        writer = writers.get(data[0] // 2)
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.write(data[1:])
                await writer.drain()
