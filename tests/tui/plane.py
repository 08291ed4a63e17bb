"""A real API server in the test's own loop, for screens: objects are what the test writes, nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k9lite.api.catalog import DEPLOYMENTS, EVENTS, PODS, SERVICES
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.apiserver.certificates import Certificates
from k9lite.apiserver.server import ApiServer, PodStreams
from k9lite.client.rest import KubeClient
from k9lite.clock import SystemClock, rfc3339
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store
from tests.support.clock import FakeClock


@dataclass
class LogLines:
    """A log source that a test feeds line by line."""

    lines: list[bytes] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, *texts: str) -> None:
        self.lines += [f"2026-01-02T03:04:05.{len(self.lines):09}Z {text}\n".encode() for text in texts]
        self.grown.set()

    async def logs(self, namespace: str, pod: str, container: str, **options: Any) -> AsyncIterator[bytes]:
        sent = 0
        while True:
            while sent < len(self.lines):
                yield self.lines[sent]
                sent += 1
            if not options.get("follow"):
                return
            self.grown.clear()
            await self.grown.wait()


@dataclass
class Plane:
    """What a screen test needs: a client's factory, the registry to write with, the log lines."""

    registry: Registry
    server: ApiServer
    kubeconfig: Path
    log: LogLines

    async def connect(self) -> KubeClient:
        return KubeClient.from_kubeconfig(self.kubeconfig)

    async def create(self, resource: Resource, obj: Obj, namespace: str = "default") -> Obj:
        return (await self.registry.create(resource, namespace, obj)).copy()

    async def status(self, resource: Resource, name: str, status: Obj, namespace: str = "default") -> None:
        def change(obj: Obj) -> Obj:
            obj["status"] = {**(obj.get("status") or {}), **status}
            return obj

        await self.registry.mutate(resource, namespace, name, change, subresource="status")

    async def deployment(self, name: str, replicas: int = 3, ready: int | None = None) -> Obj:
        """A deployment with pods, as controllers and node would have left it."""
        labels = {"app": name}
        container = {"name": "web", "image": "k9lite/whoami", "ports": [{"containerPort": 80}]}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        made = await self.create(
            DEPLOYMENTS,
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "labels": labels},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
            },
        )
        up = replicas if ready is None else ready
        counts = {key: up for key in ("readyReplicas", "availableReplicas")}
        await self.status(
            DEPLOYMENTS,
            name,
            {"replicas": replicas, "updatedReplicas": replicas, "observedGeneration": 1, **counts},
        )
        for number in range(replicas):
            await self.pod(f"{name}-7d4b9c6f5-{number:05d}", labels, ready=number < up)
        return made

    async def pod(self, name: str, labels: dict[str, str], *, ready: bool = True) -> Obj:
        made = await self.create(
            PODS,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": labels},
                "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "k9lite/whoami"}]},
            },
        )
        state: Obj = (
            {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
            if ready
            else {"waiting": {"reason": "ImagePullBackOff", "message": "pull of nginx:1.99: manifest unknown"}}
        )
        container = {"name": "web", "ready": ready, "restartCount": 0, "state": state, "image": "k9lite/whoami"}
        status = {
            "phase": "Running" if ready else "Pending",
            "podIP": "127.0.0.1",
            "containerStatuses": [{**container, "imageID": ""}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        }
        await self.status(PODS, name, status)
        return made

    async def service(self, name: str, node_port: int) -> Obj:
        ports = [{"port": 80, "targetPort": 80, "nodePort": node_port}]
        spec = {
            "type": "NodePort",
            "selector": {"app": name},
            "ports": ports,
            "clusterIP": f"10.96.0.{node_port % 200}",
        }
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        return await self.create(SERVICES, service)

    async def event(self, about: Obj, reason: str, message: str, kind: str = "Normal") -> None:
        metadata = about["metadata"]
        now = rfc3339(self.registry.clock.time())
        involved = {"kind": about["kind"], "name": metadata["name"], "uid": metadata["uid"], "namespace": "default"}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{reason.lower()}"},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": kind,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self.create(EVENTS, event)


@asynccontextmanager
async def plane(
    directory: Path, clock: FakeClock | SystemClock | None = None, streams: PodStreams | None = None
) -> AsyncIterator[Plane]:
    """Serve an empty cluster from a directory. Without `streams`, no node agent is there to exec or forward."""
    used = clock or SystemClock()
    store = await Store.open(directory / "store", clock=used, history_seconds=3600, history_bytes=1 << 28)
    registry = Registry(
        store, used, service_cidr="10.96.0.0/16", node_ports=range(30000, 32768), port_is_free=lambda _: True
    )
    await bootstrap(registry)
    certificates = Certificates(directory / "pki")
    log = LogLines()
    server = ApiServer(registry, host="127.0.0.1", port=0, certificates=certificates, log_source=log, streams=streams)
    port = await server.start()
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(certificates.kubeconfig(f"https://127.0.0.1:{port}"))
    try:
        yield Plane(registry, server, kubeconfig, log)
    finally:
        await server.stop()
        await store.close()
