"""The core group, v1: Namespace, Node, Pod, Endpoints, Event. Service has a file of its own."""

from __future__ import annotations

from typing import Any

from k9lite.api import podspec
from k9lite.api.errors import Cause
from k9lite.api.objects import Obj, dig, is_true, labels_of
from k9lite.api.printing import (
    NONE,
    UNKNOWN,
    age,
    created_age,
    endpoints_cell,
    pod_ready,
    pod_status,
    restarts_cell,
    text_or,
)
from k9lite.api.resources import ORDINARY_VERBS, Column, Resource
from k9lite.api.selectors import field_reader
from k9lite.api.validation import (
    not_allowed,
    wrong,
)

NAME = Column("Name", lambda obj, _: str(obj["metadata"].get("name", "")), format="name")
AGE = Column("Age", created_age)


# Namespace -------------------------------------------------------------------------------------------
def _default_namespace(obj: Obj) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])


def _carry_over_namespace(new: Obj, old: Obj) -> None:
    """spec.finalizers hold a namespace until it is empty; only its finalize subresource changes them."""
    new["spec"] = {**(new.get("spec") or {}), "finalizers": dig(old, "spec", "finalizers", default=[])}


def _namespace_status(obj: Obj) -> None:
    obj["status"] = {"phase": "Active"}


NAMESPACES = Resource(
    "", "v1", "Namespace", "namespaces", "namespace",
    namespaced=False, short_names=("ns",), subresources=("status", "finalize"), name_rule="label",
    verbs=tuple(verb for verb in ORDINARY_VERBS if verb != "deletecollection"),
    default=_default_namespace, carry_over=_carry_over_namespace, reset_status=_namespace_status,
    selectable_fields={"status.phase": field_reader("status.phase")},
    columns=(NAME, Column("Status", lambda obj, _: dig(obj, "status", "phase", default="")), AGE),
)  # fmt: skip


# Node ------------------------------------------------------------------------------------------------
def _node_status(obj: Obj, _: float) -> str:
    ready = "Ready" if is_true(obj, "Ready") else "NotReady"
    return ready + (",SchedulingDisabled" if dig(obj, "spec", "unschedulable") else "")


def _roles(obj: Obj, _: float) -> str:
    prefix = "node-role.kubernetes.io/"
    return ",".join(sorted(key.removeprefix(prefix) for key in labels_of(obj) if key.startswith(prefix))) or NONE


def _node_address(kind: str) -> Any:
    def cell(obj: Obj, _: float) -> str:
        addresses = dig(obj, "status", "addresses", default=[])
        return next((text_or(entry.get("address")) for entry in addresses if entry.get("type") == kind), NONE)

    return cell


def _node_info(field: str) -> Any:
    return lambda obj, _: str(dig(obj, "status", "nodeInfo", field, default=UNKNOWN))


NODES = Resource(
    "", "v1", "Node", "nodes", "node",
    namespaced=False, short_names=("no",), subresources=("status",),
    selectable_fields={"spec.unschedulable": field_reader("spec.unschedulable", False)},
    columns=(
        NAME, Column("Status", _node_status), Column("Roles", _roles), AGE,
        Column("Version", _node_info("kubeletVersion")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", _node_info("osImage"), priority=1),
        Column("Kernel-Version", _node_info("kernelVersion"), priority=1),
        Column("Container-Runtime", _node_info("containerRuntimeVersion"), priority=1),
    ),
)  # fmt: skip


# Pod -------------------------------------------------------------------------------------------------
def _default_pod(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    podspec.default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    for container in spec.get("containers") or []:
        limits = dig(container, "resources", "limits", default={})
        if limits:
            requests = container["resources"].setdefault("requests", {})
            for name, value in limits.items():
                requests.setdefault(name, value)


def _pod_status_reset(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": podspec.qos_class(obj.get("spec") or {})}


def _mutable_part(spec: Obj) -> Obj:
    """A PodSpec without the fields that may change after creation."""
    rest = {
        key: value
        for key, value in spec.items()
        if key not in ("activeDeadlineSeconds", "tolerations", "schedulingGates")
    }
    for group in ("containers", "initContainers"):
        if isinstance(rest.get(group), list):
            rest[group] = [{**container, "image": ""} for container in rest[group]]
    return rest


def _validate_pod_update(new: Obj, old: Obj) -> list[Cause]:
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if before == after:
        return []
    before, after = _mutable_part(before), _mutable_part(after)
    if not before.get("nodeName"):
        after.pop("nodeName", None)
    if before != after:
        return [
            not_allowed(
                "spec",
                "pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
            )
        ]
    return []


_POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
    "status.podIP", "status.nominatedNodeName",
)  # fmt: skip


def _pod_ips(obj: Obj) -> str:
    return ",".join(str(entry.get("ip")) for entry in dig(obj, "status", "podIPs", default=[]))


PODS = Resource(
    "", "v1", "Pod", "pods", "pod",
    short_names=("po",), categories=("all",), graceful=True,
    subresources=("status", "log", "exec", "attach", "portforward", "binding", "eviction"),
    default=_default_pod, reset_status=_pod_status_reset,
    validate=lambda obj: podspec.validate_pod_spec(obj.get("spec"), "spec"), validate_update=_validate_pod_update,
    selectable_fields={path: field_reader(path) for path in _POD_FIELDS}
    | {"spec.hostNetwork": field_reader("spec.hostNetwork", False), "status.podIPs": _pod_ips},
    columns=(
        NAME,
        Column("Ready", lambda obj, _: pod_ready(obj)),
        Column("Status", lambda obj, _: pod_status(obj)),
        Column("Restarts", restarts_cell),
        AGE,
        Column("IP", lambda obj, _: text_or(dig(obj, "status", "podIP")), priority=1),
        Column("Node", lambda obj, _: text_or(dig(obj, "spec", "nodeName")), priority=1),
        Column("Nominated Node", lambda obj, _: text_or(dig(obj, "status", "nominatedNodeName")), priority=1),
        Column("Readiness Gates", lambda _obj, _now: NONE, priority=1),
    ),
)  # fmt: skip


# Endpoints, Event ------------------------------------------------------------------------------------
def _default_endpoints(obj: Obj) -> None:
    for subset in obj.get("subsets") or []:
        for port in subset.get("ports") or []:
            port.setdefault("protocol", "TCP")


ENDPOINTS = Resource(
    "", "v1", "Endpoints", "endpoints", "endpoints",
    short_names=("ep",), default=_default_endpoints,
    columns=(NAME, Column("Endpoints", lambda obj, _: endpoints_cell(obj.get("subsets"))), AGE),
)  # fmt: skip


def _last_seen(obj: Obj, now: float) -> str:
    return age(obj.get("lastTimestamp") or obj.get("eventTime") or obj.get("firstTimestamp"), now)


def _event_object(obj: Obj, _: float) -> str:
    about = obj.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_source(obj: Obj, _: float) -> str:
    source = obj.get("source") or {}
    parts = [
        source.get("component") or obj.get("reportingComponent"),
        source.get("host") or obj.get("reportingInstance"),
    ]
    return ", ".join(filter(None, parts))


def _validate_event(obj: Obj) -> list[Cause]:
    about = obj.get("involvedObject") or {}
    space = obj["metadata"].get("namespace")
    if about.get("namespace") and about["namespace"] != space:
        return [wrong("involvedObject.namespace", about["namespace"], "does not match event.namespace")]
    return []


_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
    "reason", "reportingComponent", "type",
)  # fmt: skip

EVENTS = Resource(
    "", "v1", "Event", "events", "event",
    short_names=("ev",), validate=_validate_event,
    selectable_fields={path: field_reader(path) for path in _EVENT_FIELDS}
    | {"source": lambda obj: str(dig(obj, "source", "component") or obj.get("reportingComponent") or "")},
    columns=(
        Column("Last Seen", _last_seen),
        Column("Type", lambda obj, _: str(obj.get("type", ""))),
        Column("Reason", lambda obj, _: str(obj.get("reason", ""))),
        Column("Object", _event_object),
        Column("Subobject", lambda obj, _: dig(obj, "involvedObject", "fieldPath", default=""), priority=1),
        Column("Source", _event_source, priority=1),
        Column("Message", lambda obj, _: str(obj.get("message", "")).strip()),
        Column("First Seen", lambda obj, now: age(obj.get("firstTimestamp") or obj.get("eventTime"), now), priority=1),
        Column("Count", lambda obj, _: int(obj.get("count") or 1), type="integer", priority=1),
        Column("Name", NAME.cell, format="name", priority=1),
    ),
)  # fmt: skip
