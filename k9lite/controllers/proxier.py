"""Tells the proxy what to balance to where: NodePorts of services to the ready endpoints of their slices.

    services, endpointslices --watch--> changed services --a short pause--> table -> proxy

Ports that the proxy cannot listen on become Warning events of their Service, and a Normal one once it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from k9lite.api.addresses import backend_address
from k9lite.api.catalog import ENDPOINTSLICES, SERVICES
from k9lite.api.objects import Obj, dig, labels_of, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry
from k9lite.settings import Settings
from k9lite.store.watch import Event, Watch

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
PAUSE = 0.005
"""Seconds in which changes gather to one, so that 200 pods that get ready do not make 200 tables."""

Name = tuple[str, str]


class ProxyControl(Protocol):
    """What the proxier asks of the proxy. A table is {`namespace/name:port`: listener}, see `listeners_of`."""

    on_listen_errors: Callable[[Mapping[str, str]], None] | None

    async def set_table(self, table: Mapping[str, Any]) -> None: ...


class Proxier:
    """Keeps the proxy's table equal to the services and their endpoints."""

    def __init__(self, registry: Registry, proxy: ProxyControl, *, settings: Settings) -> None:
        self._registry = registry
        self._proxy = proxy
        self._addresses = [part.strip() for part in settings.node_port_addresses.split(",") if part.strip()]
        self._services: dict[Name, Obj] = {}
        self._slices: dict[Name, dict[str, Obj]] = {}
        self._listeners: dict[Name, dict[str, Any]] = {}
        self._changed: set[Name] = set()
        self._wake = asyncio.Event()
        self._watches: list[Watch] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._recorder: EventRecorder | None = None
        self._errors: dict[str, str] = {}

    async def start(self) -> None:
        """Read what there is, and follow it."""
        self._recorder = EventRecorder(self._registry, "kube-proxy")
        self._proxy.on_listen_errors = self._note_errors
        for resource, take in ((SERVICES, self._take_service), (ENDPOINTSLICES, self._take_slice)):
            self._follow(resource, take)
        self._wake.set()
        self._tasks.append(asyncio.create_task(self._tell(), name="proxier"))

    async def stop(self) -> None:
        self._proxy.on_listen_errors = None
        for watch in self._watches:
            watch.close()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._recorder is not None:
            await self._recorder.close()

    def _follow(self, resource: Resource, take: Callable[[str, Obj], None]) -> None:
        store = self._registry.store
        watch = store.watch(resource.key, max_pending=sys.maxsize)  # the events share their objects with the store
        self._watches.append(watch)
        for stored in store.list(resource.key):
            take("ADDED", stored.obj)
        self._tasks.append(asyncio.create_task(self._run(watch, take), name=f"proxier-{resource.plural}"))

    async def _run(self, watch: Watch, take: Callable[[str, Obj], None]) -> None:
        event: Event
        async for event in watch:
            take(event.verb, event.stored.obj)

    def _take_service(self, verb: str, service: Obj) -> None:
        name = (namespace_of(service), name_of(service))
        if verb == "DELETED":
            self._services.pop(name, None)
        else:
            self._services[name] = service
        self._touch(name)

    def _take_slice(self, verb: str, endpoint_slice: Obj) -> None:
        name = (namespace_of(endpoint_slice), labels_of(endpoint_slice).get(SERVICE_LABEL, ""))
        slices = self._slices.setdefault(name, {})
        if verb == "DELETED":
            slices.pop(name_of(endpoint_slice), None)
            if not slices:
                del self._slices[name]
        else:
            slices[name_of(endpoint_slice)] = endpoint_slice
        self._touch(name)

    def _touch(self, name: Name) -> None:
        self._changed.add(name)
        self._wake.set()

    async def _tell(self) -> None:
        """Send the table whenever something changed; changes during a send wait for the next."""
        while True:
            await self._wake.wait()
            await self._registry.clock.sleep(PAUSE)
            self._wake.clear()
            self._rebuild()
            table = {key: listener for listeners in self._listeners.values() for key, listener in listeners.items()}
            try:
                await self._proxy.set_table(table)
            except Exception:
                log.exception("the proxy did not take its table; the next change sends it again")

    def _rebuild(self) -> None:
        for name in self._changed:
            service = self._services.get(name)
            listeners = (
                listeners_of(service, list(self._slices.get(name, {}).values()), self._addresses) if service else {}
            )
            if listeners:
                self._listeners[name] = listeners
            else:
                self._listeners.pop(name, None)
        self._changed.clear()

    def _note_errors(self, errors: Mapping[str, str]) -> None:
        """Tell each service what became of its ports, once per change."""
        before, self._errors = self._errors, dict(errors)
        for key, message in errors.items():
            if before.get(key) != message:
                self._say(key, "Warning", "FailedToListen", message)
        for key in before.keys() - errors.keys():
            self._say(key, "Normal", "Listening", "the node port is open now")

    def _say(self, key: str, kind: str, reason: str, message: str) -> None:
        namespace, _, rest = key.partition("/")
        service = self._services.get((namespace, rest.rpartition(":")[0]))
        if service is not None and self._recorder is not None:
            self._recorder.event(service, kind, reason, message)


def listeners_of(service: Obj, slices: list[Obj], addresses: list[str]) -> dict[str, Any]:
    """The listeners of a service, one per TCP NodePort, by `namespace/name:port`; {} for services without.

    {"nodePort": 30080, "addresses": [...], "affinity": seconds or 0, "endpoints": [[host, port, pod, pod uid]]}
    """
    listeners: dict[str, Any] = {}
    if dig(service, "spec", "type") not in ("NodePort", "LoadBalancer"):
        return listeners
    affinity = 0
    if dig(service, "spec", "sessionAffinity") == "ClientIP":
        affinity = int(dig(service, "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=10800))
    for port in dig(service, "spec", "ports", default=[]):
        if not port.get("nodePort") or port.get("protocol", "TCP") != "TCP":
            continue
        label = port.get("name") or port["port"]
        listeners[f"{namespace_of(service)}/{name_of(service)}:{label}"] = {
            "nodePort": port["nodePort"],
            "addresses": addresses,
            "affinity": affinity,
            "endpoints": ready_endpoints(slices, port.get("name") or ""),
        }
    return listeners


def ready_endpoints(slices: list[Obj], port_name: str) -> list[list[Any]]:
    """[host, port, pod name, pod uid] of each ready endpoint for the port of that name, in a lasting order."""
    found: dict[tuple[str, int], list[Any]] = {}
    for endpoint_slice in slices:
        for port in endpoint_slice.get("ports") or []:
            if (port.get("name") or "") != port_name or not port.get("port"):
                continue
            for endpoint in endpoint_slice.get("endpoints") or []:
                if dig(endpoint, "conditions", "ready") is False:
                    continue
                host, number = backend_address(endpoint_slice, endpoint, port["port"])
                if host:
                    reference = endpoint.get("targetRef") or {}
                    found[host, number] = [host, number, reference.get("name", ""), reference.get("uid", "")]
    return [found[place] for place in sorted(found)]
