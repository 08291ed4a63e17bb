"""The raw streams of Docker's exec and attach: an HTTP request whose connection is then the program's.

Without a terminal the output comes in frames of stdout and stderr. The engine has no call that ends a program, so one
whose client goes is killed by its pid where the engine is this host's. API: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import orjson

from k9lite.api.sessions import Command
from k9lite.engines.base import CreateError, EngineUnavailable, NoSuchContainer

if TYPE_CHECKING:
    import docker

CHUNK = 32 * 1024
FRAME_HEADER = 8
"""Bytes: the stream (1 stdout, 2 stderr), three zeros, the length as a big-endian 32-bit number."""
_ANSWER_SECONDS = 30.0

T = TypeVar("T")


class Call(Protocol):
    """Runs one blocking call of the SDK in the engine's threads."""

    async def __call__(self, function: Callable[[docker.APIClient], T], /) -> T: ...


async def run(call: Call, address: tuple[str, str], container: str, command: Command, *, local: bool) -> DockerSession:
    """Run a program in a container. `address`: where the engine is, and the path of its API's version."""

    def make(client: docker.APIClient) -> str:
        made = client.exec_create(container, list(command.words), stdin=command.stdin, tty=command.tty)
        return str(made["Id"])

    identity = await call(make)

    async def inspect() -> dict[str, Any]:
        found: dict[str, Any] = await call(lambda client: client.exec_inspect(identity))
        return found

    async def resize(width: int, height: int) -> None:
        with contextlib.suppress(CreateError, NoSuchContainer):  # it has ended
            await call(lambda client: client.exec_resize(identity, height=height, width=width))

    async def wait() -> int:
        while (found := await inspect()).get("Running"):  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(0.02)  # the stream ends a little before the exit code is known
        return int(found.get("ExitCode") or 0)

    async def pid() -> int:
        found = await inspect()
        return int(found.get("Pid") or 0) if found.get("Running") and local else 0

    streams = await connect(address, f"/exec/{identity}/start", {"Detach": False, "Tty": command.tty})
    return DockerSession(streams, tty=command.tty, resize=resize, wait=wait, pid=pid)


async def attach(call: Call, address: tuple[str, str], container: str, *, stdin: bool) -> DockerSession:
    """The streams of a container's own program, from now on."""
    found: dict[str, Any] = await call(lambda client: client.inspect_container(container))
    if not found["State"].get("Running"):
        raise NoSuchContainer(f"container {container} is not running")

    async def resize(width: int, height: int) -> None:
        with contextlib.suppress(CreateError, NoSuchContainer):
            await call(lambda client: client.resize(container, height=height, width=width))

    async def wait() -> int:
        state = (await call(lambda client: client.inspect_container(container)))["State"]
        return int(state.get("ExitCode") or 0)

    async def pid() -> int:
        return 0  # the container's own program outlives whoever looks at it

    query = f"stream=1&stdout=1&stderr=1&stdin={int(stdin)}"
    streams = await connect(address, f"/containers/{found['Id']}/attach?{query}", None)
    return DockerSession(streams, tty=bool(found["Config"].get("Tty")), resize=resize, wait=wait, pid=pid)


async def connect(where: tuple[str, str], path: str, body: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a raw stream. The address is as in DOCKER_HOST: unix:// or tcp://. Raises EngineUnavailable."""
    address, version = where
    parts = urlsplit(address)
    try:
        if parts.scheme in ("unix", "http+unix"):
            reader, writer = await asyncio.open_unix_connection(parts.path, limit=CHUNK)
        else:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 2375, limit=CHUNK)
    except OSError as error:
        raise EngineUnavailable(f"the container engine at {address} is away: {error}") from error
    content = orjson.dumps(body)
    writer.write(
        f"POST {version}{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ", 2)[1] not in (b"101", b"200"):
            why = (await reader.read(CHUNK)).decode(errors="replace").strip()
            raise EngineUnavailable(f"the container engine gives no stream: {head.splitlines()[0].decode()}: {why}")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError) as error:
        writer.close()
        raise EngineUnavailable(f"the container engine at {address} gives no stream: {error}") from error
    except EngineUnavailable:
        writer.close()
        raise
    return reader, writer


class DockerSession:
    """One raw stream. The calls tell how it is resized, how its exit code is known and how its program is ended."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        tty: bool,
        resize: Callable[[int, int], Awaitable[None]],
        wait: Callable[[], Awaitable[int]],
        pid: Callable[[], Awaitable[int]],
    ) -> None:
        self._reader, self._writer = streams
        self._tty = tty
        self._resize, self._wait, self._pid = resize, wait, pid
        self._ended = False

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write(data)
            await self._writer.drain()

    async def end_input(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        await self._resize(width, height)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        source = self._plain() if self._tty else self._frames()
        async for piece in source:
            yield piece
        self._ended = True

    async def _plain(self) -> AsyncIterator[tuple[int, bytes]]:
        with contextlib.suppress(OSError):
            while chunk := await self._reader.read(CHUNK):
                yield 1, chunk

    async def _frames(self) -> AsyncIterator[tuple[int, bytes]]:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = await self._reader.readexactly(FRAME_HEADER)
                left = int.from_bytes(header[4:], "big")
                while left:
                    chunk = await self._reader.read(min(left, CHUNK))
                    if not chunk:
                        return
                    left -= len(chunk)
                    yield (2 if header[0] == 2 else 1), chunk

    async def wait(self) -> int:
        return await self._wait()

    async def close(self) -> None:
        if not self._ended:
            pid = await self._pid()
            if pid > 1:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
