"""Taking a connection over from HTTP: for WebSocket through aiohttp, for SPDY/3.1 as a raw stream of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from aiohttp import web

from k9lite.api.errors import bad_request
from k9lite.apiserver.spdy import Read, Write

WEBSOCKET, SPDY = "websocket", "spdy/3.1"
MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of one WebSocket message; a larger one ends the connection."""
HEARTBEAT_SECONDS = 60.0
"""A client that does not answer a ping for half of that is gone."""
VERSION_HEADER = "X-Stream-Protocol-Version"
_CHUNK = 64 * 1024


def upgrade_of(request: web.BaseRequest) -> str:
    """`websocket` or `spdy/3.1`. Raises ApiError 400 for a request that asks for neither."""
    asked = request.headers.get("Upgrade", "").lower()
    if asked not in (WEBSOCKET, SPDY):
        raise bad_request("Upgrade request required: ask for websocket or SPDY/3.1")
    return asked


async def accept_websocket(request: web.BaseRequest, protocols: Sequence[str]) -> web.WebSocketResponse:
    """Answer 101 with the first of the client's protocols that is one of ours; without one if it offers none.

    Raises ApiError 400 if it offers others only.
    """
    offered = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if word.strip()]
    if offered and not set(offered) & set(protocols):
        raise bad_request(f"unable to upgrade: none of the subprotocols {offered} is served; {list(protocols)} are")
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=MAX_MESSAGE, heartbeat=HEARTBEAT_SECONDS)
    await socket.prepare(request)
    return socket


class _Taken(asyncio.StreamReaderProtocol):
    """The protocol of a connection that HTTP has left; tells the one before when it is lost."""

    def __init__(self, reader: asyncio.StreamReader, before: asyncio.Protocol) -> None:
        super().__init__(reader)
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._before.connection_lost(exc)


class RawConnection:
    """An upgraded connection: `read`, `write` and `close`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


def accept_spdy(request: web.BaseRequest, version: str) -> RawConnection:
    """Answer 101 with the protocol version, and take the connection over. Raises ConnectionResetError if it is gone."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    before = cast("asyncio.Protocol", transport.get_protocol())
    reader = asyncio.StreamReader(limit=_CHUNK)
    taken = _Taken(reader, before)
    taken.connection_made(transport)
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        + (f"{VERSION_HEADER}: {version}\r\n" if version else "").encode()
        + b"\r\n"
    )
    transport.set_protocol(taken)
    return RawConnection(reader, asyncio.StreamWriter(transport, taken, reader, asyncio.get_running_loop()))


def websocket_bytes(socket: web.WebSocketResponse) -> tuple[Read, Write]:
    """A WebSocket's binary messages as one stream of bytes. Empty messages happen, and are no end."""

    async def read() -> bytes:
        while True:
            message = await socket.receive()
            if message.type is web.WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type is not web.WSMsgType.TEXT:
                return b""

    async def write(data: bytes) -> None:
        await socket.send_bytes(data)

    return read, write
