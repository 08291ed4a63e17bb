"""Ports that are ours alone, though workers share them with SO_REUSEPORT.

SO_REUSEPORT would let a second proxy of the same user listen on our ports and take half of the connections without
anyone noticing. So the parent first listens without it, which fails if anyone else has the port; then it allows
sharing, stops listening and keeps the socket: it gets no connection, but while it is bound nobody can claim the port.
"""

from __future__ import annotations

import errno
import socket

Place = tuple[str, int]
"""(address, port)."""

SEE = "`ss -ltnp sport = :{port}` shows it"


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def claim(place: Place) -> socket.socket:
    """A socket that holds the port for this process and its workers. OSError if it is in use."""
    sock = socket.socket(family_of(place[0]), socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
        sock.listen(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        sock.close()
        raise
    return sock


def listen(place: Place) -> socket.socket:
    """A worker's own listener on a claimed port, non-blocking."""
    sock = socket.socket(family_of(place[0]), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
        sock.listen(4096)
    except OSError:
        sock.close()
        raise
    return sock


def explain(place: Place, error: OSError) -> str:
    """What is wrong with that port and what to do about it."""
    address, port = place
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {address} is in use by another program, so the service is not reachable there: "
            f"stop that program ({SEE.format(port=port)}) or give the service another nodePort; "
            "it is tried again every second"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{address} is not an address of this machine, so the service is not reachable at {address}:{port}: "
            "correct node_port_addresses; it is tried again every second"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} on {address} may not be opened by this user: give the service a nodePort above 1023"
    return f"port {port} on {address} cannot be opened: {error.strerror or error}; it is tried again every second"


class Claims:
    """All ports the parent holds."""

    def __init__(self) -> None:
        self._sockets: dict[Place, socket.socket] = {}
        self.failed: dict[Place, str] = {}

    def want(self, places: set[Place]) -> None:
        """Hold these and no others; what cannot be had is in `failed`, and tried again by the next call."""
        for place in self._sockets.keys() - places:
            self._sockets.pop(place).close()
        self.failed = {}
        for place in sorted(places - self._sockets.keys()):
            try:
                self._sockets[place] = claim(place)
            except (OSError, OverflowError) as error:
                known = error if isinstance(error, OSError) else OSError(str(error))
                self.failed[place] = explain(place, known)

    def holds(self, place: Place) -> bool:
        return place in self._sockets

    def close(self) -> None:
        self.want(set())
