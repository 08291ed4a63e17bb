"""The bytes' way: one epoll for all flows of a worker, one buffer, no allocation per chunk.

    accepted -> connecting -> open -> closed
                  |    ^
                  +----+ the next endpoint; after all of them a short wait, until GIVE_UP seconds are over

A chunk is received into the worker's one buffer and sent on at once. Only what the other side does not take is copied,
and then nothing more is read from the sender before that is gone: a flow holds at most BUFFER bytes each way. The end
of one direction is passed on as such (half-close); a reset of one side resets the other.

The epoll sits in uvloop's own, so that one turn of the loop serves up to BATCH sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
from errno import EINPROGRESS
from time import monotonic

from k9lite.proxy.table import Endpoint, Service

BUFFER = 128 * 1024
BATCH = 256
CONNECT_SECONDS = 2.0
"""An endpoint that answers nothing at all in this time is passed over."""
GIVE_UP = 3.0
"""A pod just started may not listen yet: as long as this, all endpoints are tried again."""
FIRST_WAIT = 0.02
LAST_WAIT = 0.25
QUIET_SECONDS = 0.2
"""An answered connection that says nothing for so long has no request open."""
EPHEMERAL = 32768
"""From here on a connection to a closed local port may be given that very port as its own, and so meet itself."""

IN = select.EPOLLIN
OUT = select.EPOLLOUT
RESET = struct.pack("ii", 1, 0)


class Side:
    """One socket of a flow. `pending` is what it did not take yet; `counted` the bytes received from it."""

    __slots__ = ("counted", "ended", "fd", "flow", "mask", "peer", "pending", "recv_into", "send", "shut", "sock")

    def __init__(self, flow: Flow, sock: socket.socket) -> None:
        self.flow = flow
        self.sock = sock
        self.fd = sock.fileno()
        self.recv_into = sock.recv_into
        self.send = sock.send
        self.peer: Side | None = None
        self.pending = b""
        self.mask = 0
        self.counted = 0
        self.ended = False  # it sent its last byte
        self.shut = False  # it was told that no more comes


class Flow:
    """One client's connection and the endpoint it goes to."""

    __slots__ = (
        "at", "backend", "client", "client_ip", "endpoint", "give_up", "last", "service", "timer", "tried", "wait",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, client_ip: str, service: Service, now: float) -> None:
        self.client = Side(self, sock)
        self.backend: Side | None = None
        self.client_ip = client_ip
        self.service = service
        self.endpoint: Endpoint | None = None
        self.tried: set[Endpoint] = set()
        self.at = now
        self.give_up = now + GIVE_UP
        self.wait = FIRST_WAIT
        self.last: Side | None = None  # who sent the last bytes
        self.timer: asyncio.TimerHandle | None = None

    def count(self) -> None:
        """Add the bytes since the last time to the endpoint's counters."""
        endpoint, backend = self.endpoint, self.backend
        if endpoint is not None and backend is not None:
            endpoint.received += self.client.counted
            endpoint.sent += backend.counted
            self.client.counted = backend.counted = 0

    def idle(self, now: float) -> bool:
        """Whether no request is open, as far as bytes tell: answered and quiet, nothing under way."""
        backend = self.backend
        if backend is None or self.last is not backend or now - self.at < QUIET_SECONDS:
            return False
        if self.client.pending or backend.pending:
            return False
        return not has_bytes(self.client.sock) and not has_bytes(backend.sock)


def has_bytes(sock: socket.socket) -> bool:
    """Whether something can be read at once; the end of the stream is nothing."""
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


class Pump:
    """All flows of one worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._sides: dict[int, Side] = {}
        self._view = memoryview(bytearray(BUFFER))
        self.flows: set[Flow] = set()
        loop.add_reader(self._epoll.fileno(), self._ready)

    def close(self) -> None:
        for flow in list(self.flows):
            self._reset(flow)
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    # The hot path ---------------------------------------------------------------------------------------
    def _ready(self) -> None:
        now = monotonic()
        sides, view = self._sides, self._view
        for fd, events in self._epoll.poll(0, BATCH):
            side = sides.get(fd)
            if side is None:  # closed by an earlier event of this batch
                continue
            if events != IN:
                self._event(side, events)
                continue
            peer = side.peer
            if peer is None:
                continue
            try:
                size = side.recv_into(view)
            except BlockingIOError:
                continue
            except OSError:
                self._reset(side.flow)
                continue
            if not size:
                self._end(side)
                continue
            side.counted += size
            flow = side.flow
            flow.at = now
            flow.last = side
            try:
                sent = peer.send(view[:size])
            except BlockingIOError:
                sent = 0
            except OSError:
                self._reset(flow)
                continue
            if sent < size:
                self._hold(side, peer, bytes(view[sent:size]))

    def _hold(self, side: Side, peer: Side, rest: bytes) -> None:
        """Keep what the peer did not take and read no more before it did."""
        peer.pending = rest
        self._want(side, side.mask & ~IN)
        self._want(peer, peer.mask | OUT)

    # Everything else ------------------------------------------------------------------------------------
    def _want(self, side: Side, mask: int) -> None:
        """Watch for these events. For none at all the socket leaves the epoll, which would report hang-ups for ever."""
        if mask == side.mask:
            return
        if not mask:
            self._epoll.unregister(side.fd)
            del self._sides[side.fd]
        elif side.mask:
            self._epoll.modify(side.fd, mask)
        else:
            self._epoll.register(side.fd, mask)
            self._sides[side.fd] = side
        side.mask = mask

    def _event(self, side: Side, events: int) -> None:
        flow = side.flow
        if side.peer is None:
            if side is flow.backend and events & ~IN:
                self._connected(flow)
            return
        if side.mask & OUT and events & ~IN:
            self._flush(side)
        if side.mask & IN and events & ~OUT:
            self._read(side)

    def _read(self, side: Side) -> None:
        """The hot path's step with every case told apart."""
        peer = side.peer
        if peer is None or peer.pending or side.ended:
            return
        try:
            size = side.recv_into(self._view)
        except BlockingIOError:
            return
        except OSError:
            self._reset(side.flow)
            return
        if not size:
            self._end(side)
            return
        side.counted += size
        side.flow.at = monotonic()
        side.flow.last = side
        try:
            sent = peer.send(self._view[:size])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._reset(side.flow)
            return
        if sent < size:
            self._hold(side, peer, bytes(self._view[sent:size]))

    def _flush(self, side: Side) -> None:
        """Send what waits; when all of it is gone, its sender may go on."""
        try:
            sent = side.send(side.pending)
        except BlockingIOError:
            return
        except OSError:
            self._reset(side.flow)
            return
        side.flow.at = monotonic()
        side.pending = side.pending[sent:]
        peer = side.peer
        if side.pending or peer is None:
            return
        self._want(side, side.mask & ~OUT)
        if peer.ended:
            self._shut(side)
        else:
            self._want(peer, peer.mask | IN)

    def _end(self, side: Side) -> None:
        side.ended = True
        self._want(side, side.mask & ~IN)
        peer = side.peer
        if peer is not None and not peer.pending:
            self._shut(peer)

    def _shut(self, side: Side) -> None:
        """Tell it that no more comes; when both were told, the flow is over."""
        side.shut = True
        if side.peer is not None and side.peer.shut:
            self.finish(side.flow)
            return
        try:
            side.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._reset(side.flow)

    # From accepted to open ------------------------------------------------------------------------------
    def open(self, sock: socket.socket, client_ip: str, service: Service) -> None:
        """Take over an accepted, non-blocking socket."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        flow = Flow(sock, client_ip, service, monotonic())
        self.flows.add(flow)
        self._connect(flow)

    def _connect(self, flow: Flow) -> None:
        """Begin with the next endpoint, or wait for the next round, or give up."""
        now = monotonic()
        while (endpoint := flow.service.pick(flow.client_ip, flow.tried, now)) is not None:
            flow.tried.add(endpoint)
            family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
            try:
                sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError:  # no more file descriptors: no endpoint's fault
                break
            try:
                error = sock.connect_ex((endpoint.host, endpoint.port))
            except OSError as failed:  # not an address
                error = failed.errno or -1
            if error not in (0, EINPROGRESS):
                sock.close()
                endpoint.failures += 1
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._use(flow, endpoint, sock)
            return
        if now >= flow.give_up:
            self._reset(flow)
            return
        flow.tried.clear()
        flow.timer = self._loop.call_later(flow.wait, self._connect, flow)
        flow.wait = min(flow.wait * 2, LAST_WAIT)

    def _use(self, flow: Flow, endpoint: Endpoint, sock: socket.socket) -> None:
        flow.endpoint = endpoint
        flow.backend = Side(flow, sock)
        endpoint.active += 1
        endpoint.flows.add(flow)
        self._want(flow.backend, OUT)
        flow.timer = self._loop.call_later(CONNECT_SECONDS, self._failed, flow)

    def _connected(self, flow: Flow) -> None:
        side = flow.backend
        if side is None:
            return
        error = side.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._failed(flow)
            return
        try:
            peer_name = side.sock.getpeername()
        except OSError:  # an event of an older socket with this number
            return
        if peer_name[1] >= EPHEMERAL and side.sock.getsockname() == peer_name:
            self._failed(flow)
            return
        self._stop_timer(flow)
        assert flow.endpoint is not None
        flow.endpoint.connections += 1
        flow.tried.clear()
        client = flow.client
        client.peer, side.peer = side, client
        flow.at = monotonic()
        self._want(side, IN)
        self._want(client, IN)
        self._read(client)

    def _failed(self, flow: Flow) -> None:
        assert flow.endpoint is not None
        flow.endpoint.failures += 1
        self._leave(flow)
        self._connect(flow)

    def redirect(self, flow: Flow) -> None:
        """Give a flow that carried nothing yet to another endpoint."""
        if flow.client.ended or flow.last is not None:
            return
        self._want(flow.client, 0)
        flow.client.peer = None
        self._leave(flow)
        flow.give_up = monotonic() + GIVE_UP
        self._connect(flow)

    def _leave(self, flow: Flow) -> None:
        """Part from the endpoint."""
        self._stop_timer(flow)
        side, endpoint = flow.backend, flow.endpoint
        if side is None or endpoint is None:
            return
        flow.count()
        endpoint.active -= 1
        endpoint.flows.discard(flow)
        self._want(side, 0)
        side.peer = None
        side.sock.close()
        flow.backend = flow.endpoint = flow.last = None

    def _stop_timer(self, flow: Flow) -> None:
        if flow.timer is not None:
            flow.timer.cancel()
            flow.timer = None

    # The end --------------------------------------------------------------------------------------------
    def finish(self, flow: Flow) -> None:
        """Close both sides; what was sent still arrives."""
        if flow not in self.flows:
            return
        self.flows.discard(flow)
        self._leave(flow)
        self._want(flow.client, 0)
        flow.client.peer = None
        flow.client.sock.close()

    def _reset(self, flow: Flow) -> None:
        """Close both sides at once, as one of them did or as nothing answers."""
        for side in (flow.client, flow.backend):
            if side is not None and flow in self.flows:
                with contextlib.suppress(OSError):
                    side.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.finish(flow)
