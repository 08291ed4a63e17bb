"""One worker process: listeners, flows and counters, as the parent says.

It ends when it is told to by a signal. When the parent vanishes, it stops listening at once, so that the next parent
can have the ports, and ends when its last flow is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from k9lite.proxy import wire
from k9lite.proxy.claims import Place, explain, listen
from k9lite.proxy.flow import Flow, Pump
from k9lite.proxy.table import Endpoint, Listener, Service

ACCEPTS = 64
"""Connections taken in one go before others get their turn."""
DRAIN_POLL = 0.02
EXCLUDED_FOR = 5.0
"""Seconds after a drain's deadline in which a late table cannot bring its endpoint back."""
ORPHAN_SECONDS = 10.0
"""How long open flows outlive the parent, as settings.drain_seconds' default."""
NO_FILES_WAIT = 0.05


class Worker:
    """State of one worker; `_send` speaks to the parent."""

    def __init__(self, cursors: memoryview, send: Callable[[wire.Message], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pump = Pump(self._loop)
        self._cursors = cursors
        self._send = send
        self._services: dict[str, Service] = {}
        self._places: dict[Place, Service] = {}
        self._listeners: dict[Place, socket.socket] = {}
        self._wanted: dict[str, list[Place]] = {}
        self._told: Any = None

    def handle(self, message: wire.Message) -> None:
        op = message["op"]
        if op == "table":
            listeners = message["listeners"]
            self._change(listeners, [key for key in self._services if key not in listeners])
        elif op == "change":
            self._change(message["set"], message["remove"])
        elif op == "drain":
            self._drain(message)
            return
        else:
            return
        self._send({"op": "ack", "version": message["version"]})

    # The table ------------------------------------------------------------------------------------------
    def _change(self, wanted: dict[str, Listener], gone: list[str]) -> None:
        now = monotonic()
        for key in gone:
            self._services.pop(key, None)
            self._wanted.pop(key, None)
        for key, listener in wanted.items():
            service = self._services.get(key)
            if service is None:
                service = self._services[key] = Service(key, self._cursors)
            service.update(listener, now)
            self._wanted[key] = [(address, listener["nodePort"]) for address in listener["addresses"]]
        self._places = {place: self._services[key] for key, places in self._wanted.items() for place in places}
        self._listen()

    def _listen(self) -> None:
        for place in self._listeners.keys() - self._places.keys():
            self._close_listener(place)
        errors = {}
        for place in self._places.keys() - self._listeners.keys():
            try:
                sock = listen(place)
            except OSError as error:
                errors[self._places[place].key] = explain(place, error)
                continue
            self._listeners[place] = sock
            self._loop.add_reader(sock.fileno(), self._accept, place, sock)
        if errors:
            self._send({"op": "errors", "errors": errors})

    def _close_listener(self, place: Place) -> None:
        """Take what was accepted by the system already, then close."""
        sock = self._listeners.pop(place)
        self._loop.remove_reader(sock.fileno())
        sock.close()

    def _accept(self, place: Place, listener: socket.socket) -> None:
        service = self._places.get(place)
        if service is None:
            return
        for _ in range(ACCEPTS):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no file descriptor or memory: clients wait in the system's queue
                self._loop.remove_reader(listener.fileno())
                self._loop.call_later(NO_FILES_WAIT, self._resume, place, listener)
                return
            sock.setblocking(False)
            self._pump.open(sock, address[0], service)

    def _resume(self, place: Place, listener: socket.socket) -> None:
        if self._listeners.get(place) is listener:
            self._loop.add_reader(listener.fileno(), self._accept, place, listener)

    # Drain ----------------------------------------------------------------------------------------------
    def _drain(self, message: wire.Message) -> None:
        end = monotonic() + float(message["seconds"])
        addresses = {(str(host), int(port)) for host, port in message["addresses"]}
        endpoints = [
            endpoint
            for service in self._services.values()
            for endpoint in service.exclude(addresses, end + EXCLUDED_FOR)
        ]
        self._drain_step(message["id"], endpoints, end)

    def _drain_step(self, number: int, endpoints: list[Endpoint], end: float) -> None:
        now = monotonic()
        for endpoint in endpoints:
            for flow in list(endpoint.flows):
                self._let_go(flow, now)
        if now >= end or not any(endpoint.flows for endpoint in endpoints):
            self._send({"op": "drained", "id": number})
        else:
            self._loop.call_later(DRAIN_POLL, self._drain_step, number, endpoints, end)

    def _let_go(self, flow: Flow, now: float) -> None:
        """A flow that carried nothing yet goes to another endpoint, one without an open request is closed."""
        if flow.last is None:
            self._pump.redirect(flow)
        elif flow.idle(now):
            self._pump.finish(flow)

    # Counters -------------------------------------------------------------------------------------------
    def tell_counters(self) -> None:
        """Once a second; nothing is sent while nothing changes."""
        services = {key: service.counters() for key, service in self._services.items()}
        if services != self._told:
            self._told = services
            self._send({"op": "counters", "services": services})
        self._loop.call_later(1.0, self.tell_counters)

    # The end --------------------------------------------------------------------------------------------
    async def orphaned(self) -> None:
        """The parent is gone: leave the ports to the next one and let open flows end."""
        for place in list(self._listeners):
            self._close_listener(place)
        end = monotonic() + ORPHAN_SECONDS
        while self._pump.flows and monotonic() < end:
            now = monotonic()
            for flow in list(self._pump.flows):
                if flow.idle(now):
                    self._pump.finish(flow)
            await asyncio.sleep(DRAIN_POLL)
        self._pump.close()


async def serve(control: socket.socket, cursors: memoryview) -> None:
    """Work until the parent is gone."""
    reader, writer = await asyncio.open_connection(sock=control, limit=wire.MAX_LINE)

    def send(message: wire.Message) -> None:
        writer.write(wire.encode(message))

    worker = Worker(cursors, send)
    worker.tell_counters()
    async for message in wire.messages(reader):
        worker.handle(message)
    await worker.orphaned()
    writer.close()


def main(control_fd: int, cursors_fd: int) -> int:
    """A worker on the inherited socket to its parent and the memory that it shares with the others."""
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.collect()
    gc.freeze()
    memory = mmap.mmap(cursors_fd, 0)
    os.close(cursors_fd)
    try:
        uvloop.run(serve(socket.socket(fileno=control_fd), memoryview(memory).cast("I")))
    except Exception as error:  # said once in the proxy's log; the parent starts another worker
        print(f"Error: proxy worker {os.getpid()}: {error!r}", file=sys.stderr, flush=True)
        return 1
    return 0
