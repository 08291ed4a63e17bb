"""port-forward on any API server: one WebSocket for each local connection.

The subprotocol v4 has two channels for a port: 0 its bytes, 1 what went wrong; the first message of each only repeats
the port. It has no word for an end in one direction, so a client that has sent all gets what comes until the pod closes
or falls silent. Source: k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, name_of, namespace_of, uid_of
from k9lite.client.errors import ClientError
from k9lite.client.rest import KubeClient

if TYPE_CHECKING:
    import aiohttp

V4 = "v4.channel.k8s.io"
CHUNK = 32 * 1024
DATA, ERROR = 0, 1
SILENCE_SECONDS = 5.0
"""How long a pod may say nothing to a client that has sent all, or has gone: which of both, TCP does not tell."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A local port (0: any that is free) and the pod's."""

    local: int
    remote: int


class PortForward:
    """Listens on local ports, and carries each connection to one of the pod's ports."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        pod: str,
        *,
        on_connection: Callable[[int], None] = lambda port: None,
        on_error: Callable[[int, str], None] = lambda port, text: None,
    ) -> None:
        """`on_connection(local port)`, `on_error(remote port, what is wrong)`."""
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        self._on_connection = on_connection
        self._on_error = on_error
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, ports: Ports, addresses: Sequence[str]) -> list[tuple[str, int]]:
        """(address, port) of each listener. Raises OSError if a port is taken."""
        local = ports.local
        made: list[tuple[str, int]] = []
        for address in addresses:

            def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # A task of ours: it is cancelled and awaited when we close.
                task = asyncio.create_task(self._carry(ports.remote, reader, writer), name="port-forward")
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

            server = await asyncio.start_server(accepted, address, local, limit=CHUNK)
            self._servers.append(server)
            local = int(server.sockets[0].getsockname()[1])
            made.append((address, local))
        return made

    async def close(self) -> None:
        """End listeners and connections."""
        for server in self._servers:
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    async def _carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._on_connection(int(writer.get_extra_info("sockname")[1]))
        try:
            async with self._client.websocket(self._path, {"ports": port}, (V4,)) as socket:
                await self._exchange(port, socket, reader, writer)
        except (ApiError, ClientError) as error:
            self._on_error(port, str(error))
        except ConnectionError:
            pass  # one of both is gone, and the other goes with it
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(
        self,
        port: int,
        socket: aiohttp.ClientWebSocketResponse,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        sending = asyncio.create_task(_send(socket, reader), name="port-forward-send")
        receiving = asyncio.create_task(self._receive(port, socket, writer, sending), name="port-forward-receive")
        try:
            await receiving
        finally:
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _receive(
        self,
        port: int,
        socket: aiohttp.ClientWebSocketResponse,
        writer: asyncio.StreamWriter,
        sending: asyncio.Task[None],
    ) -> None:
        """Until the pod closes, or is silent after the client has sent all."""
        import aiohttp

        begun: set[int] = set()
        while (message := await _next(socket, sending)) is not None:
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, content = message.data[0], message.data[1:]
            if channel not in begun:  # the port
                begun.add(channel)
                content = content[2:]
            if channel == DATA and content:
                writer.write(content)
                await writer.drain()
            elif channel == ERROR and content:
                self._on_error(port, content.decode(errors="replace").strip())


async def _next(socket: aiohttp.ClientWebSocketResponse, sending: asyncio.Task[None]) -> aiohttp.WSMessage | None:
    """The next message; None where none comes any more."""
    receiving = asyncio.ensure_future(socket.receive())
    try:
        if not sending.done():
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():
            await asyncio.wait({receiving}, timeout=SILENCE_SECONDS)
        return receiving.result() if receiving.done() else None
    finally:
        if not receiving.done():
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)


async def _send(socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            await socket.send_bytes(bytes([DATA]) + chunk)


async def until_gone(client: KubeClient, pod: Obj) -> None:
    """Return once the pod has ended, or was deleted. Raises ApiError, ClientError where that cannot be told."""
    while True:
        changes = client.watch(PODS, namespace_of(pod), field_selector=f"metadata.name={name_of(pod)}")
        async with aclosing(changes) as source:  # type: ignore[type-var]
            async for verb, changed in source:
                if verb == "BOOKMARK":
                    continue
                ended = dig(changed, "status", "phase") in ("Succeeded", "Failed")
                if verb == "DELETED" or ended or uid_of(changed) != uid_of(pod):
                    return
        await asyncio.sleep(1)
