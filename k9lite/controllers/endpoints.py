"""Endpoints and EndpointSlices of every Service that has a selector: what the proxy balances over.

A pod's change finds its Services through an index of selectors; each Service has one turn per interval however many
of its pods change. A slice holds up to 100 endpoints with the same ports, in an order that stays, so that one pod's
change rewrites one slice. Source: k8s.io/endpointslice/reconciler.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import orjson

from k9lite.api.addresses import HOST_PORTS_ANNOTATION, pod_ports
from k9lite.api.catalog import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, owner_reference, uid_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.controllers.context import Context
from k9lite.controllers.informers import Informer, labels, namespace
from k9lite.controllers.runtime import Key
from k9lite.controllers.service_ports import TargetPort, endpoint_of, subsets_of, takes_part, target_ports

INTERVAL = 0.05
"""Seconds between two turns of one Service; the first change after a pause is told at once."""
MAX_ENDPOINTS = 100
"""Endpoints in one slice, as upstream's --max-endpoints-per-slice."""
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"


def selector_head(service: Obj) -> list[str]:
    """Index: `namespace/key=value` of the first label that the Service selects by."""
    selector = dig(service, "spec", "selector", default={})
    return [f"{namespace_of(service)}/{key}={selector[key]}" for key in sorted(selector)[:1]]


def service_of(endpoint_slice: Obj) -> list[str]:
    """Index: `namespace/name` of the Service that a slice of ours belongs to."""
    has = labels_of(endpoint_slice)
    if has.get(MANAGED_BY_LABEL) != MANAGER:
        return []
    return [f"{namespace_of(endpoint_slice)}/{has.get(SERVICE_LABEL, '')}"]


class ServicePods:
    """Which Services a pod's change concerns, and which pods a Service has."""

    def __init__(self, context: Context) -> None:
        self.pods, self.services = context.of(PODS), context.of(SERVICES)
        self.pods.index(labels)
        self.pods.index(namespace)
        self.services.index(selector_head)

    def concerned(self, pod: Obj, old: Obj | None) -> set[Key]:
        """The Services that select the pod, or did before its labels changed."""
        found: set[Key] = set()
        versions = [pod] if old is None or labels_of(old) == labels_of(pod) else [pod, old]
        for each in versions:
            has = labels_of(each)
            for pair in labels(each):
                for service in self.services.by(selector_head, pair):
                    if dig(service, "spec", "selector", default={}).items() <= has.items():
                        found.add((namespace_of(service), name_of(service)))
        return found

    def of(self, service: Obj) -> list[Obj]:
        selector = LabelSelector.from_map(dig(service, "spec", "selector"))
        return self.pods.select(namespace_of(service), selector)


def _matters(pod: Obj, old: Obj | None) -> bool:
    """Whether a pod's change can change endpoints; most of a starting pod's changes cannot."""
    return takes_part(pod) or (old is not None and takes_part(old))


def has_selector(service: Obj) -> bool:
    return bool(dig(service, "spec", "selector")) and dig(service, "spec", "type") != "ExternalName"


class EndpointsController:
    """Writes the Endpoints object of the Service's own name."""

    def __init__(self, context: Context, service_pods: ServicePods) -> None:
        self._context = context
        self._service_pods = service_pods
        self._endpoints: Informer = context.of(ENDPOINTS)
        self._workers = context.workers("endpoints", self.reconcile, interval=INTERVAL)
        queue = self._workers.queue
        service_pods.services.on_change(lambda _, obj, __: queue.add((namespace_of(obj), name_of(obj))))
        self._endpoints.on_change(lambda _, obj, __: queue.add((namespace_of(obj), name_of(obj))))
        service_pods.pods.on_change(self._pod_changed)

    def _pod_changed(self, _: str, pod: Obj, old: Obj | None) -> None:
        if _matters(pod, old):
            for key in self._service_pods.concerned(pod, old):
                self._workers.queue.add(key)

    async def reconcile(self, key: Key) -> None:
        """Make the Endpoints say what the pods are; without its Service, the garbage collector takes it."""
        service = self._service_pods.services.get(*key)
        if service is None or not has_selector(service):
            return
        subsets = subsets_of(service, self._service_pods.of(service))
        current = self._endpoints.get(*key)
        if current is not None:
            if (current.get("subsets") or []) == subsets and labels_of(current) == labels_of(service):
                return
            await self._context.registry.mutate(
                ENDPOINTS, key[0], key[1], lambda fresh: _with_subsets(fresh, service, subsets)
            )
            return
        made = _with_subsets(
            {"metadata": {"name": key[1], "ownerReferences": [owner_reference(service)]}}, service, subsets
        )
        await _create(self._context, ENDPOINTS, key[0], made)


def _with_subsets(fresh: Obj, service: Obj, subsets: list[Obj]) -> Obj:
    fresh["metadata"]["labels"] = dict(labels_of(service))
    fresh["subsets"] = subsets
    return fresh


async def _create(context: Context, resource: Resource, space: str, obj: Obj) -> None:
    """Create, unless the namespace is ending."""
    try:
        await context.registry.create(resource, space, obj)
    except ApiError as error:
        if not any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes):
            raise


class EndpointSliceController:
    """Keeps each Service's slices."""

    def __init__(self, context: Context, service_pods: ServicePods) -> None:
        self._context = context
        self._service_pods = service_pods
        self._slices = context.of(ENDPOINTSLICES)
        self._slices.index(service_of)
        self._workers = context.workers("endpointslice", self.reconcile, interval=INTERVAL)
        queue = self._workers.queue
        service_pods.services.on_change(lambda _, obj, __: queue.add((namespace_of(obj), name_of(obj))))
        service_pods.pods.on_change(self._pod_changed)
        self._slices.on_change(self._slice_changed)

    def _pod_changed(self, _: str, pod: Obj, old: Obj | None) -> None:
        if _matters(pod, old):
            for key in self._service_pods.concerned(pod, old):
                self._workers.queue.add(key)

    def _slice_changed(self, _: str, endpoint_slice: Obj, __: Obj | None) -> None:
        for owner in service_of(endpoint_slice):
            self._workers.queue.add(tuple(owner.split("/", 1)))

    async def reconcile(self, key: Key) -> None:
        """Create, rewrite and delete slices until they say what the pods are."""
        service = self._service_pods.services.get(*key)
        if service is None or not has_selector(service):
            return
        existing = self._slices.by(service_of, "/".join(key))
        pods = {uid_of(pod): pod for pod in self._service_pods.of(service) if takes_part(pod)}
        wanted, surplus = plan(service, pods, existing)
        registry = self._context.registry
        for old, content in wanted:
            if old is None:
                content["metadata"]["ownerReferences"] = [owner_reference(service)]
                await _create(self._context, ENDPOINTSLICES, key[0], content)
            elif not _same(old, content):
                await registry.mutate(ENDPOINTSLICES, key[0], name_of(old), partial(_replaced, content=content))
        for each in surplus:
            try:
                await registry.delete(ENDPOINTSLICES, key[0], name_of(each), DeleteOptions(uid=uid_of(each)))
            except ApiError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise


Plan = list[tuple[Obj | None, Obj]]


def plan(service: Obj, pods: dict[str, Obj], existing: list[Obj]) -> tuple[Plan, list[Obj]]:
    """([(slice to rewrite, or None to create; its content)], slices to delete) for pods by uid."""
    groups: dict[tuple[TargetPort, ...], dict[str, Obj]] = {}
    for uid, pod in pods.items():
        groups.setdefault(target_ports(service, pod), {})[uid] = pod
    if not groups:
        groups[()] = {}
    by_ports: dict[str, list[Obj]] = {}
    for each in sorted(existing, key=name_of):
        by_ports.setdefault(_ports_key(each.get("ports") or []), []).append(each)
    wanted: Plan = []
    surplus: list[Obj] = []
    for ports, members in groups.items():
        objects = [port.to_obj() for port in ports]
        slices = by_ports.pop(_ports_key(objects), [])
        for old, uids in pack(list(members), slices):
            if old is not None and not uids and members:
                surplus.append(old)
            else:
                wanted.append((old, _content(service, objects, [members[uid] for uid in uids])))
    surplus += [each for rest in by_ports.values() for each in rest]
    # A slice that would be deleted takes new content instead of a new slice.
    wanted = [(surplus.pop() if old is None and surplus else old, content) for old, content in wanted]
    return wanted, surplus


def _ports_key(ports: Iterable[Obj]) -> str:
    return repr(sorted((p.get("name", ""), p.get("port"), p.get("protocol"), p.get("appProtocol", "")) for p in ports))


def pack(uids: list[str], slices: list[Obj]) -> list[tuple[Obj | None, list[str]]]:
    """Spread uids over slices: each stays where it is, new ones fill up the slices, then new slices."""
    homeless = dict.fromkeys(uids)
    packed: list[tuple[Obj | None, list[str]]] = []
    for each in slices:
        kept = []
        for endpoint in each.get("endpoints") or []:
            uid = dig(endpoint, "targetRef", "uid", default="")
            if uid in homeless:
                del homeless[uid]
                kept.append(uid)
        packed.append((each, kept))
    rest = list(homeless)
    for _, kept in packed:
        room = MAX_ENDPOINTS - len(kept)
        kept += rest[:room]
        rest = rest[room:]
    while rest or not packed:
        packed.append((None, rest[:MAX_ENDPOINTS]))
        rest = rest[MAX_ENDPOINTS:]
    return packed


def _content(service: Obj, ports: list[Obj], pods: list[Obj]) -> Obj:
    host_ports = {uid_of(pod): mapping for pod in pods if (mapping := pod_ports(pod))}
    name = name_of(service)
    metadata: Obj = {
        "generateName": f"{name}-",
        "labels": {**labels_of(service), SERVICE_LABEL: name, MANAGED_BY_LABEL: MANAGER},
    }
    if host_ports:
        text = orjson.dumps(host_ports, option=orjson.OPT_SORT_KEYS).decode()
        metadata["annotations"] = {HOST_PORTS_ANNOTATION: text}
    return {
        "addressType": "IPv4",
        "metadata": metadata,
        "endpoints": [endpoint_of(service, pod) for pod in pods],
        "ports": ports,
    }


def _same(old: Obj, content: Obj) -> bool:
    return (
        (old.get("endpoints") or []) == content["endpoints"]
        and (old.get("ports") or []) == content["ports"]
        and labels_of(old) == content["metadata"]["labels"]
        and annotations_of(old).get(HOST_PORTS_ANNOTATION) == annotations_of(content).get(HOST_PORTS_ANNOTATION)
    )


def _replaced(fresh: Obj, content: Obj) -> Obj:
    annotations = {key: value for key, value in annotations_of(fresh).items() if key != HOST_PORTS_ANNOTATION}
    annotations |= annotations_of(content)
    fresh["metadata"]["labels"] = content["metadata"]["labels"]
    fresh["metadata"]["annotations"] = annotations
    if not annotations:
        del fresh["metadata"]["annotations"]
    return {**fresh, "endpoints": content["endpoints"], "ports": content["ports"]}
