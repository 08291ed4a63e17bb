"""A node with the process engine, over a real store, in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from k9lite.api.catalog import EVENTS, PODS
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig
from k9lite.clock import Clock, SystemClock
from k9lite.engines.base import Engine
from k9lite.engines.process import ProcessEngine
from k9lite.node.agent import NodeAgent, remove_all
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry
from k9lite.settings import Settings
from k9lite.store.store import Store
from tests.support.wait import eventually

CLUSTER = f"node{os.getpid()}"


class RecordedDrains:
    """A proxy without requests: it only remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[tuple[str, int], ...], float]] = []

    async def drain(self, addresses: Sequence[tuple[str, int]], seconds: float) -> None:
        self.asked.append((tuple(addresses), seconds))


class Rig:
    """Store, registry and node agent; the agent can be stopped, killed and started again on the same data."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.settings = Settings(home=home)
        self.clock = clock
        self.drains = RecordedDrains()
        self.store: Store
        self.registry: Registry
        self.recorder: EventRecorder
        self.agent: NodeAgent | None = None
        self.engines: dict[str, Engine] = {}

    async def open(self) -> None:
        self.store = await Store.open(
            self.settings.data / "store", clock=self.clock, history_seconds=3600, history_bytes=1 << 24
        )
        self.registry = Registry(self.store, self.clock)
        await bootstrap(self.registry)
        self.recorder = EventRecorder(self.registry, "kubelet", "here")

    async def start(self, engines: dict[str, Engine] | None = None) -> NodeAgent:
        self.engines = engines or {"process": ProcessEngine(self.settings, CLUSTER)}
        self.agent = NodeAgent(
            self.registry,
            self.engines,
            default_engine="process",
            cluster_id=CLUSTER,
            node_name="here",
            settings=self.settings,
            drainer=self.drains,
            clock=self.clock,
            recorder=self.recorder,
        )
        await self.agent.start()
        return self.agent

    async def stop(self, *, pods: bool = False) -> None:
        if self.agent is not None:
            await self.agent.stop(pods=pods)
            self.agent = None

    async def close(self) -> None:
        await self.stop()
        await remove_all({"process": ProcessEngine(self.settings, CLUSTER)})
        await self.recorder.close()
        await self.store.close()

    # Pods --------------------------------------------------------------------------------------------
    async def pod(
        self, name: str, *command: str, image: str = "host", spec: Obj | None = None, **container: Any
    ) -> Obj:
        """Create a pod of one container, bound to this node."""
        main: Obj = {"name": "main", "image": image, **container} | ({"command": list(command)} if command else {})
        made = await self.registry.create(
            PODS,
            "default",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name},
                "spec": {"nodeName": "here", "containers": [main], **(spec or {})},
            },
        )
        return made.obj

    def get(self, name: str) -> Obj | None:
        stored = self.store.get(PODS.key, "default", name)
        return stored.obj if stored else None

    def container(self, name: str) -> Obj:
        pod = self.get(name)
        assert pod is not None
        statuses: list[Obj] = dig(pod, "status", "containerStatuses", default=[])
        return statuses[0] if statuses else {}

    async def running(self, name: str) -> Obj:
        """The pod, once its container runs."""
        await eventually(lambda: "running" in self.container(name)["state"])
        pod = self.get(name)
        assert pod is not None
        return pod

    async def phase(self, name: str, wanted: str) -> Obj:
        await eventually(lambda: dig(self.get(name), "status", "phase") == wanted)
        pod = self.get(name)
        assert pod is not None
        return pod

    async def gone(self, name: str) -> None:
        await eventually(lambda: self.get(name) is None)

    async def delete(self, name: str, grace: int | None = None) -> None:
        await self.registry.delete(PODS, "default", name, DeleteOptions(grace_seconds=grace))

    def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of the pod's events, in order."""
        found = [stored.obj for stored in self.store.list(EVENTS.key, "default")]
        ours = [event for event in found if event["involvedObject"]["name"] == name]
        ours.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["reason"], event["message"]) for event in ours]

    def leader(self, pod: Obj) -> int:
        """Pid of the process group that the pod's present container is."""
        record = max((self.settings.data / "pods").glob(f"{pod['metadata']['uid']}.main.*/run"))
        return int(record.read_text().split()[0])

    async def log(self, name: str, **options: Any) -> str:
        assert self.agent is not None
        return b"".join([line async for line in self.agent.access.logs("default", name, "main", **options)]).decode()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, SystemClock())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def node(rig: Rig) -> Rig:
    await rig.start()
    return rig
