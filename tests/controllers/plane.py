"""The controllers over a real store and registry, and an actor that does what a node does to pods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from k9lite.api.addresses import PORTS_ANNOTATION
from k9lite.api.catalog import DEPLOYMENTS, ENDPOINTS, ENDPOINTSLICES, EVENTS, NODES, PODS, REPLICASETS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, is_deleting, labels_of, name_of, namespace_of, set_condition, uid_of
from k9lite.api.resources import Resource
from k9lite.clock import SystemClock
from k9lite.controllers.context import Context
from k9lite.controllers.manager import Manager
from k9lite.controllers.runtime import Key
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.settings import Settings
from k9lite.store.store import Store
from tests.support.wait import eventually

NODE = "node-1"


def deployment(name: str = "web", replicas: int = 3, image: str = "app:1", **spec: Any) -> Obj:
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [{"name": "c", "image": image, "ports": [{"name": "http", "containerPort": 80}]}]
                },
            },
            **spec,
        },
    }


def replicaset(name: str = "web", replicas: int = 2) -> Obj:
    return deployment(name, replicas)


class Kubelet:
    """Runs each bound pod at once (unless it is told to hold), and ends each deleted one."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.holds: Callable[[Obj], bool] = lambda pod: False
        """Pods that do not become ready."""
        self.keeps = False
        """Whether deleted pods stay, still ending."""
        self._workers = context.workers("kubelet", self.reconcile, count=32)
        context.of(PODS).on_change(self._changed)

    def _changed(self, verb: str, pod: Obj, _: Obj | None) -> None:
        if verb != "DELETED":
            self._workers.queue.add((namespace_of(pod), name_of(pod)))

    def look_again(self) -> None:
        for pod in self.context.of(PODS).objects.values():
            self._changed("MODIFIED", pod, None)

    async def reconcile(self, key: Key) -> None:
        pod = self.context.of(PODS).get(*key)
        if pod is None or not dig(pod, "spec", "nodeName"):
            return
        if is_deleting(pod):
            if not self.keeps:
                options = DeleteOptions(grace_seconds=0, uid=uid_of(pod))
                try:
                    await self.context.registry.delete(PODS, key[0], key[1], options)
                except ApiError as error:
                    if error.reason not in ("NotFound", "Conflict"):
                        raise
            return
        ready = not self.holds(pod)
        if dig(pod, "status", "podIP") and dig(pod, "status", "ready") == ready:
            return
        await self.context.registry.mutate(
            PODS, key[0], key[1], lambda fresh: self._run(fresh, ready), subresource="status"
        )

    def _run(self, pod: Obj, ready: bool) -> Obj | None:
        if is_deleting(pod):
            return None
        status = pod.setdefault("status", {})
        status.update(phase="Running", podIP="127.0.0.1", ready=ready)
        set_condition(status, {"type": "Ready", "status": "True" if ready else "False"}, self.context.now())
        return pod


class Plane:
    """Registry, controllers and kubelet of one test."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry
        self.manager = Manager(registry, node_name=NODE, settings=Settings())
        self.context = self.manager.context
        self.kubelet = Kubelet(self.context)

    def objects(self, resource: Resource, namespace: str | None = "default") -> list[Obj]:
        return [stored.obj for stored in self.store.list(resource.key, namespace)]

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Obj:
        stored = self.store.get(resource.key, namespace, name)
        assert stored is not None, f"{resource.key} {name} is not there"
        return stored.obj

    def has(self, resource: Resource, name: str, namespace: str = "default") -> bool:
        return self.store.get(resource.key, namespace, name) is not None

    def pods(self, **labels: str) -> list[Obj]:
        return [pod for pod in self.objects(PODS) if labels.items() <= labels_of(pod).items()]

    def sets(self) -> list[Obj]:
        return self.objects(REPLICASETS)

    def reasons(self, name: str) -> list[str]:
        """Reasons of the events about the object of that name."""
        return [event["reason"] for event in self.objects(EVENTS) if event["involvedObject"]["name"] == name]

    def slices(self, service: str, namespace: str = "default") -> list[Obj]:
        found = self.objects(ENDPOINTSLICES, namespace)
        return [each for each in found if labels_of(each).get("kubernetes.io/service-name") == service]

    def endpoints(self, service: str) -> Iterable[Obj]:
        return (endpoint for each in self.slices(service) for endpoint in each["endpoints"])

    def subsets(self, service: str) -> list[Obj]:
        found: list[Obj] = self.get(ENDPOINTS, service).get("subsets", [])
        return found

    async def change(self, resource: Resource, name: str, change: Callable[[Obj], None]) -> None:
        def changed(obj: Obj) -> Obj:
            change(obj)
            return obj

        assert await self.registry.mutate(resource, "default", name, changed) is not None

    async def rolled_out(self, name: str, timeout: float = 10) -> Obj:
        """The Deployment, once its newest generation has been rolled out, as `kubectl rollout status` judges."""

        def done() -> Obj | None:
            found = self.get(DEPLOYMENTS, name)
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            fields = ("replicas", "updatedReplicas", "availableReplicas")
            observed = status.get("observedGeneration") == found["metadata"]["generation"]
            return found if observed and all(status.get(field, 0) == wanted for field in fields) else None

        found = await eventually(done, timeout)
        assert found is not None
        return found

    async def add_node(self, name: str = NODE, *, ready: str = "True") -> None:
        await self.registry.create(NODES, "", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})

        def status(node: Obj) -> Obj:
            condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": self.registry.now()}
            set_condition(node.setdefault("status", {}), condition, self.registry.now())
            return node

        await self.registry.mutate(NODES, "", name, status, subresource="status")


def with_host_port(port: int) -> Callable[[Obj], None]:
    """Annotates a pod as the process engine does."""

    def change(pod: Obj) -> None:
        pod["metadata"].setdefault("annotations", {})[PORTS_ANNOTATION] = f'{{"80":{port}}}'

    return change


@asynccontextmanager
async def plane(directory: Path, *, node: bool = True, start: bool = True) -> AsyncIterator[Plane]:
    """A running plane; with `node`, a node that is ready."""
    clock = SystemClock()
    store = await Store.open(directory, clock=clock, history_seconds=3600, history_bytes=1 << 30)
    try:
        registry = Registry(store, clock)
        await bootstrap(registry)
        made = Plane(store, registry)
        if node:
            await made.add_node()
        if start:
            await made.manager.start()
        try:
            yield made
        finally:
            await made.manager.stop()
    finally:
        await store.close()
