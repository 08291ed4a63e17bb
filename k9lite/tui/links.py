"""What belongs to what: predicates over objects, by owner references and by selectors."""

from __future__ import annotations

from collections.abc import Iterable

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, controller_of, dig, labels_of, name_of, namespace_of, uid_of
from k9lite.api.selectors import LabelSelector
from k9lite.tui.panes import Predicate

WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")


def _selector(obj: Obj) -> LabelSelector | None:
    spec = dig(obj, "spec", "selector")
    if not spec:
        return None
    try:
        return LabelSelector.from_map(spec) if obj["kind"] == "Service" else LabelSelector.from_object(spec)
    except ApiError:
        return None


def pods_of(obj: Obj) -> Predicate:
    """Pods behind a workload, service or node."""
    if obj["kind"] == "Node":
        node = name_of(obj)
        return lambda pod: dig(pod, "spec", "nodeName") == node
    if obj["kind"] == "Namespace":
        namespace = name_of(obj)
        return lambda pod: namespace_of(pod) == namespace
    selector, namespace = _selector(obj), namespace_of(obj)
    uid = uid_of(obj)
    owned_directly = obj["kind"] != "Deployment" and obj["kind"] in WORKLOADS

    def belongs(pod: Obj) -> bool:
        if selector is None or namespace_of(pod) != namespace or not selector.matches(labels_of(pod)):
            return False
        return not owned_directly or (controller_of(pod) or {}).get("uid") == uid

    return belongs


def services_of(workload: Obj) -> Predicate:
    """Services that select the pods of a workload."""
    namespace = namespace_of(workload)
    labels = dig(workload, "spec", "template", "metadata", "labels", default={})

    def selects(service: Obj) -> bool:
        wanted = dig(service, "spec", "selector", default={})
        return bool(wanted) and namespace_of(service) == namespace and wanted.items() <= labels.items()

    return selects


def owned_by(owner: Obj) -> Predicate:
    """Objects whose controller it is."""
    uid = uid_of(owner)
    return lambda obj: (controller_of(obj) or {}).get("uid") == uid


def is_same(wanted: Obj) -> Predicate:
    """The object itself, whatever became of it."""
    uid = uid_of(wanted)
    return lambda obj: uid_of(obj) == uid


def events_about(obj: Obj, events: Iterable[Obj]) -> list[Obj]:
    """Its events, the newest last."""
    uid = uid_of(obj)
    own = [event for event in events if dig(event, "involvedObject", "uid") == uid]
    return sorted(own, key=event_time)


def event_time(event: Obj) -> str:
    """When it was last seen, as RFC 3339 text."""
    for path in (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("metadata", "creationTimestamp")):
        value = dig(event, *path)
        if value:
            return str(value)
    return ""
