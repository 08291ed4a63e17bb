"""Host ports for the containerPorts of host processes.

Ports come from below the system's ephemeral range, where no outgoing connection can sit on them. Several clusters of
a machine stay apart by blocks: a block of ports belongs to whoever holds its abstract unix socket, which the kernel
lets go of when its owner ends, however it ends. What runs on from an earlier owner is seen by trying to bind.
"""

from __future__ import annotations

import fcntl
import socket
import sys
from collections.abc import Mapping

from k9lite.engines.base import CreateError

LOOPBACK = "127.0.0.1"
FIRST, LAST = 20000, 29999
BLOCK = 100


class HostPorts:
    """The host ports that one cluster has given out."""

    def __init__(self, avoid: range) -> None:
        self._avoid = avoid
        self._taken: set[int] = set()
        self._guards: list[socket.socket] = []
        self._ours: set[int] = set()
        self._free: list[int] = []
        self._next_block = FIRST

    def take(self) -> int:
        """A port that nobody listens on and that was not given to anyone else. Raises CreateError."""
        while True:
            while self._free:
                port = self._free.pop()
                if port not in self._taken and is_free(port):
                    self._taken.add(port)
                    return port
            if not self._claim_block():
                raise CreateError(
                    f"no host port is free between {FIRST} and {LAST}; delete pods that are not needed",
                    "CreateContainerError",
                )

    def hold(self, port: int) -> bool:
        """Mark a port as taken; False if another pod has it."""
        if port in self._taken:
            return False
        self._taken.add(port)
        return True

    def release(self, port: int) -> None:
        """Let others have it; last in the queue, so that it is not used again at once."""
        self._taken.discard(port)
        if port in self._ours:
            self._free.insert(0, port)

    def _claim_block(self) -> bool:
        """Make the ports of the next block that no other cluster holds available."""
        while self._next_block <= LAST:
            block = range(self._next_block, min(self._next_block + BLOCK, LAST + 1))
            self._next_block += BLOCK
            if self._hold_block(block.start):
                self._free = [port for port in reversed(block) if port not in self._avoid]
                self._ours.update(self._free)
                return True
        return False

    def _hold_block(self, start: int) -> bool:
        if sys.platform != "linux":
            return True
        guard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            guard.bind(f"\0k9lite-ports-{start}")
        except OSError:
            guard.close()
            return False
        self._guards.append(guard)
        return True

    def close(self) -> None:
        for guard in self._guards:
            guard.close()
        self._guards.clear()
        self._free.clear()
        self._ours.clear()
        self._next_block = FIRST


class PodPorts:
    """Which host port each declared port of each pod has. A pod keeps its ports for as long as it has containers."""

    def __init__(self, avoid: range) -> None:
        self._ports = HostPorts(avoid)
        self._by_pod: dict[tuple[str, int], int] = {}

    def allocate(self, pod_uid: str, wanted: Mapping[int, int]) -> dict[int, int]:
        """A host port for each containerPort: the one asked for, the one it had, or a free one. Raises CreateError."""
        before = [key for key in self._by_pod if key[0] == pod_uid]
        for container_port, host_port in wanted.items():
            key = (pod_uid, container_port)
            if key in self._by_pod:
                continue
            if host_port and not self._ports.hold(host_port):
                if not before:
                    self.release(pod_uid)
                raise CreateError(
                    f"hostPort {host_port} is taken by another pod; choose another, or none", "CreateContainerError"
                )
            self._by_pod[key] = host_port or self._ports.take()
        return {container_port: self._by_pod[pod_uid, container_port] for container_port in wanted}

    def adopt(self, pod_uid: str, host_ports: Mapping[int, int]) -> None:
        """What a container has that an earlier control plane started."""
        for container_port, port in host_ports.items():
            self._by_pod[pod_uid, container_port] = port
            self._ports.hold(port)

    def release(self, pod_uid: str) -> None:
        """Give the pod's ports back."""
        for key in [key for key in self._by_pod if key[0] == pod_uid]:
            self._ports.release(self._by_pod.pop(key))

    def close(self) -> None:
        self._by_pod.clear()
        self._ports.close()


def is_free(port: int) -> bool:
    """Whether a TCP listener could be opened on that port of every address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def listen(port: int) -> int:
    """A listening socket's descriptor, from 10 upwards. Raises CreateError."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen(1024)
        except OSError as error:
            raise CreateError(
                f"port {port} of {LOOPBACK} cannot be used: {error.strerror}; delete the pod to get another",
                "RunContainerError",
            ) from error
        return fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
