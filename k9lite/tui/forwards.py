"""Ports of this machine that lead to pods, for as long as the app looks at their cluster.

shift+f -> start -> listener, pod watched -> the pod goes, or :forwards ends it, or the app leaves -> closed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.client.errors import ClientError
from k9lite.tui.widgets.footer import Severity

if TYPE_CHECKING:
    from k9lite.client.port_forward import PortForward, Ports
    from k9lite.client.rest import KubeClient

ADDRESS = "127.0.0.1"
RETRY_SECONDS = 2.0
"""Until the pod is looked for again after the server could not be asked."""


@dataclass(eq=False, slots=True)
class Forward:
    """One local port. `watching` ends it when its pod goes."""

    pod: Obj
    local: int
    remote: int
    listener: PortForward
    watching: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return f"{ADDRESS}:{self.local} → {self.remote} of pod {namespace_of(self.pod)}/{name_of(self.pod)}"


class Forwards:
    """Those of one app. `say(text, severity)` tells what happens to them later."""

    def __init__(self, say: Callable[[str, Severity], None]) -> None:
        self.running: list[Forward] = []
        self._say = say

    async def start(self, client: KubeClient, pod: Obj, ports: Ports) -> Forward:
        """Listen, and lead each connection to the pod. Raises OSError where the local port cannot be had."""
        from k9lite.client.port_forward import PortForward

        name = name_of(pod)
        listener = PortForward(
            client,
            namespace_of(pod),
            name,
            on_error=lambda port, text: self._say(f"port {port} of pod {name}: {text}", "error"),
        )
        [(_, local)] = await listener.listen(ports, (ADDRESS,))
        forward = Forward(pod, local, ports.remote, listener)
        forward.watching = asyncio.create_task(self._watch(client, forward), name="port-forward-pod")
        self.running.append(forward)
        return forward

    async def _watch(self, client: KubeClient, forward: Forward) -> None:
        from k9lite.client.port_forward import until_gone

        while True:
            try:
                await until_gone(client, forward.pod)
                break
            except (ApiError, ClientError):  # what is wrong with the server is said in the banner
                await asyncio.sleep(RETRY_SECONDS)
        self.running.remove(forward)
        await forward.listener.close()
        self._say(f"pod {name_of(forward.pod)} has gone, and with it the forward from {forward.local}", "warn")

    async def stop(self, forward: Forward) -> None:
        """End the listener and its connections; nothing happens where it has ended."""
        if forward in self.running:
            self.running.remove(forward)
        if forward.watching is not None:
            forward.watching.cancel()
            await asyncio.gather(forward.watching, return_exceptions=True)
        await forward.listener.close()

    async def close(self) -> None:
        """End all."""
        for forward in list(self.running):
            await self.stop(forward)
