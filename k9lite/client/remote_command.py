"""exec and attach on any API server: the streams of a program in a container, over one WebSocket.

Messages begin with the number of their channel: 0 stdin, 1 stdout, 2 stderr, 3 the program's end as a Status, 4 the
terminal's size; in v5 255 closes the channel that follows. Source: k8s.io/client-go/tools/remotecommand, KEP-4006.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import orjson

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig
from k9lite.client.errors import ConnectionLost
from k9lite.client.rest import KubeClient

if TYPE_CHECKING:
    import aiohttp

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
CHUNK = 32 * 1024
"""Bytes of one message; servers take at least that much."""
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


class Program:
    """A program that runs in a container. Read `output` to its end, then `exit_code` is known."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.exit_code = 0

    @property
    def can_end_input(self) -> bool:
        """Whether the server can be told that the input has ended: older ones cannot."""
        return self._socket.protocol == V5

    async def write(self, data: bytes) -> None:
        """To its standard input; returns once there is room for more. Nothing happens once it has ended."""
        with suppress(ConnectionError):
            for start in range(0, len(data), CHUNK):
                await self._socket.send_bytes(bytes([STDIN]) + data[start : start + CHUNK])

    async def end_input(self) -> None:
        """The program reads the end of its input, if `can_end_input`."""
        if self.can_end_input:
            with suppress(ConnectionError):
                await self._socket.send_bytes(bytes([CLOSE, STDIN]))

    async def resize(self, width: int, height: int) -> None:
        """Of its terminal, in characters."""
        with suppress(ConnectionError):
            await self._socket.send_bytes(bytes([RESIZE]) + orjson.dumps({"Width": width, "Height": height}))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(1: stdout or the terminal, 2: stderr; bytes) until it ends. Raises ApiError where it could not be run,
        ConnectionLost where the connection ended before the program told its end."""
        import aiohttp

        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, content = message.data[0], message.data[1:]
            if channel in (STDOUT, STDERR) and content:
                yield channel, content
            elif channel == STATUS and content:
                self.exit_code = exit_code_of(content)
                return
        raise ConnectionLost("the connection to the container was closed before its program ended")


def exit_code_of(content: bytes) -> int:
    """What the Status says that tells a program's end. Raises ApiError where it did not run, or not to its end."""
    try:
        status: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict):
        raise ConnectionLost("the server tells the program's end in a way that cannot be read")
    if status.get("status") == "Success":
        return 0
    causes: list[Obj] = dig(status, "details", "causes", default=[])
    codes = [str(cause.get("message")) for cause in causes if cause.get("reason") == "ExitCode"]
    if status.get("reason") == "NonZeroExitCode" and codes and codes[0].isdigit():
        return int(codes[0])
    raise ApiError.from_status(status, 500)


@asynccontextmanager
async def run(
    client: KubeClient,
    namespace: str,
    pod: str,
    command: Sequence[str],
    *,
    container: str = "",
    stdin: bool = False,
    tty: bool = False,
) -> AsyncIterator[Program]:
    """Run a program beside the container's own; it is ended with the context. Raises ApiError, ConnectionLost."""
    async with _open(client, namespace, pod, "exec", container, stdin, tty, command=list(command)) as program:
        yield program


@asynccontextmanager
async def attach(
    client: KubeClient, namespace: str, pod: str, *, container: str = "", stdin: bool = False, tty: bool = False
) -> AsyncIterator[Program]:
    """The streams of the container's own program, from now on. Raises ApiError, ConnectionLost."""
    async with _open(client, namespace, pod, "attach", container, stdin, tty) as program:
        yield program


@asynccontextmanager
async def _open(
    client: KubeClient, namespace: str, pod: str, verb: str, container: str, stdin: bool, tty: bool, **more: Any
) -> AsyncIterator[Program]:
    params = {
        **more,
        "container": container or None,
        "stdin": stdin or None,
        "stdout": True,
        "stderr": None if tty else True,
        "tty": tty or None,
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/{verb}"
    async with client.websocket(path, params, (V5, V4)) as socket:
        yield Program(socket)
