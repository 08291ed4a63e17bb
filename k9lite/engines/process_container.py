"""One host process as the engine that runs it knows it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from k9lite.engines.base import ContainerSpec, ContainerState, built_in_id
from k9lite.engines.process_ports import LOOPBACK
from k9lite.engines.process_shim import Leader


class Container:
    """One container as this process knows it."""

    __slots__ = (
        "directory", "ended", "error", "exit_code", "finished_at", "host_ports", "id", "leader", "ours", "phase",
        "pidfd", "spec", "started_at", "starting",
    )  # fmt: skip

    def __init__(self, directory: Path, spec: ContainerSpec, host_ports: dict[int, int]) -> None:
        self.id = directory.name
        self.directory = directory
        self.spec = spec
        self.host_ports = host_ports
        self.phase = "created"
        self.leader: Leader | None = None
        self.ours = False
        self.pidfd = -1
        self.exit_code = 0
        self.error = ""
        self.started_at = self.finished_at = 0.0
        self.ended = asyncio.Event()
        self.starting: asyncio.Task[None] | None = None

    def state(self) -> ContainerState:
        spec = self.spec
        return ContainerState(
            id=self.id, namespace=spec.namespace, pod=spec.pod, pod_uid=spec.pod_uid, name=spec.name,
            attempt=spec.attempt, phase=self.phase, image=spec.image, image_id=built_in_id(spec.image) or "",
            exit_code=self.exit_code, error=self.error, started_at=self.started_at, finished_at=self.finished_at,
            address=LOOPBACK, host_ports=self.host_ports,
        )  # fmt: skip
