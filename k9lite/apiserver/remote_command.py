"""exec and attach: a program's streams over WebSocket channels or SPDY streams.

    client ──stdin, resize──> session (engine) ──stdout, stderr──> client, then the status on the error channel

WebSocket messages begin with the number of their channel: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize, and in v5
255, which closes the channel that follows. Source: k8s.io/apimachinery/pkg/util/remotecommand, KEP-4006.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from aiohttp import web

from k9lite.api.errors import ApiError, bad_request
from k9lite.api.objects import Obj, encode
from k9lite.api.sessions import Command, Session
from k9lite.apiserver import spdy
from k9lite.apiserver.requests import is_true
from k9lite.apiserver.upgrades import SPDY, VERSION_HEADER, RawConnection, accept_spdy, accept_websocket, upgrade_of

if TYPE_CHECKING:
    from multidict import MultiMapping

V5 = "v5.channel.k8s.io"
WEBSOCKET_PROTOCOLS = (V5, "v4.channel.k8s.io", "channel.k8s.io")
SPDY_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
STREAMS_SECONDS = 30.0
"""How long a client may take to open its SPDY streams, as upstream."""


@dataclass(frozen=True, slots=True)
class Options:
    """PodExecOptions and PodAttachOptions: what the query asks for."""

    container: str
    words: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def parse(cls, query: MultiMapping[str], *, needs_command: bool) -> Options:
        """Raises ApiError 400."""
        words = tuple(query.getall("command", [])) if needs_command else ()
        if needs_command and not words:
            raise bad_request("you must specify at least one command for the container")
        stdin, stdout, stderr, tty = (is_true(query, key) for key in ("stdin", "stdout", "stderr", "tty"))
        if not (stdin or stdout or stderr):
            raise bad_request("you must specify at least one of stdin, stdout, stderr")
        return cls(query.get("container", ""), words, stdin, stdout, stderr and not tty, tty)

    @property
    def command(self) -> Command:
        return Command(self.words, self.stdin, self.tty)


class Transport(Protocol):
    """What a client's streams come through. Each call may raise OSError when the client is gone."""

    async def take_input(self, session: Session) -> None:
        """Hand stdin and sizes to the session, until the client goes."""

    async def send(self, channel: int, data: bytes) -> None: ...

    async def finish(self, status: Obj) -> None:
        """Tell the status, then end the streams."""


async def serve(request: web.BaseRequest, options: Options, start: Any) -> web.StreamResponse:
    """Carry one session. `start()` gives it, or raises ApiError, which is answered before the upgrade."""
    kind = upgrade_of(request)
    session: Session = await start()
    try:
        if kind == SPDY:
            return await _over_spdy(request, options, session)
        socket = await accept_websocket(request, WEBSOCKET_PROTOCOLS)
        await _carry(session, _WebSocket(socket), options)
        return socket
    finally:
        await session.close()


async def _carry(session: Session, transport: Transport, options: Options) -> None:
    """Until the program ends or the client goes, whichever is first."""
    output = asyncio.create_task(_send_output(session, transport, options), name="exec-output")
    source = asyncio.create_task(transport.take_input(session), name="exec-input")
    try:
        await asyncio.wait({output, source}, return_when=asyncio.FIRST_COMPLETED)
        if output.done() and output.exception() is None:
            await transport.finish(_status(await session.wait()))
    except OSError:
        pass  # the client is gone, and its program goes with it
    finally:
        for task in (output, source):
            task.cancel()
        await asyncio.gather(output, source, return_exceptions=True)


async def _send_output(session: Session, transport: Transport, options: Options) -> None:
    wanted = {STDOUT: options.stdout, STDERR: options.stderr}
    async for channel, chunk in session.output():
        if wanted[channel]:
            await transport.send(channel, chunk)


def _status(code: int) -> Obj:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def _resize(session: Session, data: bytes) -> None:
    """`{"Width":80,"Height":24}`; what is none is passed over."""
    with contextlib.suppress(orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        size = orjson.loads(data)
        width, height = int(size["Width"]), int(size["Height"])
        if 0 < width <= 0xFFFF and 0 < height <= 0xFFFF:
            await session.resize(width, height)


# WebSocket -------------------------------------------------------------------------------------------
class _WebSocket:
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def take_input(self, session: Session) -> None:
        async for message in self._socket:
            data = message.data.encode() if message.type is web.WSMsgType.TEXT else bytes(message.data)
            if not data:
                continue
            channel, content = data[0], data[1:]
            if channel == STDIN and content:
                await session.write(content)
            elif channel == RESIZE:
                await _resize(session, content)
            elif channel == CLOSE and content == bytes([STDIN]) and self._socket.ws_protocol == V5:
                await session.end_input()

    async def send(self, channel: int, data: bytes) -> None:
        await self._socket.send_bytes(bytes([channel]) + data)

    async def finish(self, status: Obj) -> None:
        await self.send(STATUS, encode(status))
        await self._socket.close()


# SPDY ------------------------------------------------------------------------------------------------
async def _over_spdy(request: web.BaseRequest, options: Options, session: Session) -> web.StreamResponse:
    offered = [word.strip() for given in request.headers.getall(VERSION_HEADER, []) for word in given.split(",")]
    version = next((each for each in SPDY_PROTOCOLS if each in offered), "")
    if offered and not version:
        raise ApiError(403, "Forbidden", f"unable to upgrade: unsupported protocols {offered}; {SPDY_PROTOCOLS} are")
    raw = accept_spdy(request, version)
    streams = _Streams(raw, options)
    try:
        if await streams.are_open():
            await _carry(session, streams, options)
    finally:
        await streams.close()
        raw.close()
    return web.Response()


class _Streams:
    """The streams of one exec, told apart by their header `streamtype`."""

    def __init__(self, raw: RawConnection, options: Options) -> None:
        self.connection = spdy.Connection(raw.read, raw.write, self._opened)
        self._running = asyncio.create_task(self.connection.run(), name="exec-spdy")
        self._complete = asyncio.Event()
        self._by_type: dict[str, spdy.Stream] = {}
        wanted = {"stdin": options.stdin, "stdout": options.stdout, "stderr": options.stderr, "resize": options.tty}
        self._awaited = {"error", *(name for name, is_wanted in wanted.items() if is_wanted)}

    def _opened(self, stream: spdy.Stream) -> None:
        self._by_type[stream.headers.get("streamtype", "")] = stream
        if self._awaited <= self._by_type.keys():
            self._complete.set()

    async def are_open(self) -> bool:
        """Wait for the client to open its streams; whether it has."""
        complete = asyncio.create_task(self._complete.wait(), name="exec-streams")
        try:
            tasks = {complete, self._running}
            await asyncio.wait(tasks, timeout=STREAMS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return complete.done()
        finally:
            complete.cancel()

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def take_input(self, session: Session) -> None:
        takers = [
            asyncio.create_task(self._take_stdin(session), name="exec-stdin"),
            asyncio.create_task(self._take_sizes(session), name="exec-sizes"),
        ]
        try:
            await asyncio.wait({self._running})  # ends with the connection
        finally:
            for taker in takers:
                taker.cancel()
            await asyncio.gather(*takers, return_exceptions=True)

    async def _take_stdin(self, session: Session) -> None:
        if stream := self._by_type.get("stdin"):
            while data := await stream.read():
                await session.write(data)
            await session.end_input()

    async def _take_sizes(self, session: Session) -> None:
        if stream := self._by_type.get("resize"):
            while data := await stream.read():
                for line in data.splitlines():
                    await _resize(session, line)

    async def send(self, channel: int, data: bytes) -> None:
        await self._by_type["stdout" if channel == STDOUT else "stderr"].write(data)

    async def finish(self, status: Obj) -> None:
        await self._by_type["error"].write(encode(status))
        for name in ("stdout", "stderr", "error"):
            if stream := self._by_type.get(name):
                await stream.end()
        await self.connection.say_goodbye()
