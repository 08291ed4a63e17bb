"""Deployments, replica sets, services, nodes and namespaces in detail, and any other kind from its fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from k9lite.api.addresses import backend_address
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, controller_of, dig, labels_of, name_of, namespace_of
from k9lite.api.printing import age, labels_text
from k9lite.api.selectors import LabelSelector
from k9lite.client.describe_pods import template
from k9lite.client.describe_text import (
    NONE,
    UNSET,
    Text,
    annotation_lines,
    conditions,
    events,
    labels_and_annotations,
    when,
)


def _head(text: Text, obj: Obj) -> None:
    text.add(0, "Name:", name_of(obj))
    text.add(0, "Namespace:", namespace_of(obj))


def _selector(obj: Obj) -> str:
    try:
        return str(LabelSelector.from_object(dig(obj, "spec", "selector"))) or NONE
    except ApiError as error:
        return f"<error: {error}>"


def describe_deployment(text: Text, obj: Obj, replica_sets: Sequence[Obj], about: Sequence[Obj]) -> None:
    """`replica_sets` are those that the deployment controls, the newest first."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    _head(text, obj)
    text.add(0, "CreationTimestamp:", when(dig(obj, "metadata", "creationTimestamp")))
    labels_and_annotations(text, obj)
    text.add(0, "Selector:", _selector(obj))
    counts = [
        f"{spec.get('replicas', 0)} desired",
        f"{status.get('updatedReplicas', 0)} updated",
        f"{status.get('replicas', 0)} total",
        f"{status.get('availableReplicas', 0)} available",
        f"{status.get('unavailableReplicas', 0)} unavailable",
    ]
    text.add(0, "Replicas:", " | ".join(counts))
    text.add(0, "StrategyType:", dig(spec, "strategy", "type", default=""))
    text.add(0, "MinReadySeconds:", spec.get("minReadySeconds", 0))
    rolling = dig(spec, "strategy", "rollingUpdate")
    if rolling:
        surge = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        text.add(0, "RollingUpdateStrategy:", surge)
    template(text, spec.get("template") or {})
    conditions(text, status.get("conditions") or [], [("Reason", "reason")])
    old = [each for each in replica_sets[1:] if dig(each, "spec", "replicas", default=0)]
    text.add(0, "OldReplicaSets:", ", ".join(map(_replica_set, old)) or NONE)
    text.add(0, "NewReplicaSet:", _replica_set(replica_sets[0]) if replica_sets else NONE)
    events(text, about)


def _replica_set(obj: Obj) -> str:
    replicas = dig(obj, "status", "replicas", default=0)
    return f"{name_of(obj)} ({replicas}/{dig(obj, 'spec', 'replicas', default=0)} replicas created)"


def describe_replica_set(text: Text, obj: Obj, pods: Sequence[Obj], about: Sequence[Obj]) -> None:
    """`pods` are those that it controls."""
    _head(text, obj)
    text.add(0, "Selector:", _selector(obj))
    labels_and_annotations(text, obj)
    owner = controller_of(obj)
    if owner:
        text.add(0, "Controlled By:", f"{owner['kind']}/{owner['name']}")
    current, desired = dig(obj, "status", "replicas", default=0), dig(obj, "spec", "replicas", default=0)
    text.add(0, "Replicas:", f"{current} current / {desired} desired")
    phases = [dig(pod, "status", "phase") for pod in pods]
    counts = [f"{phases.count(phase)} {phase}" for phase in ("Running", "Pending", "Succeeded", "Failed")]
    text.add(0, "Pods Status:", counts[0] + " / " + " / ".join(counts[1:]).replace("Pending", "Waiting"))
    template(text, dig(obj, "spec", "template", default={}))
    conditions(text, dig(obj, "status", "conditions", default=[]), [("Reason", "reason")])
    events(text, about)


def describe_service(text: Text, obj: Obj, slices: Sequence[Obj], about: Sequence[Obj]) -> None:
    """`slices` are its EndpointSlices."""
    spec = obj.get("spec") or {}
    _head(text, obj)
    labels_and_annotations(text, obj)
    text.add(0, "Selector:", labels_text(spec.get("selector")))
    text.add(0, "Type:", spec.get("type", ""))
    if spec.get("ipFamilyPolicy"):
        text.add(0, "IP Family Policy:", spec["ipFamilyPolicy"])
    if spec.get("ipFamilies"):
        text.add(0, "IP Families:", ",".join(spec["ipFamilies"]))
    text.add(0, "IP:", spec.get("clusterIP", ""))
    text.add(0, "IPs:", ",".join(spec.get("clusterIPs") or []) or NONE)
    for port in spec.get("ports") or []:
        name, protocol = port.get("name") or UNSET, port.get("protocol", "TCP")
        text.add(0, "Port:", name, f"{port.get('port')}/{protocol}")
        text.add(0, "TargetPort:", f"{port.get('targetPort', port.get('port'))}/{protocol}")
        if port.get("nodePort"):
            text.add(0, "NodePort:", name, f"{port['nodePort']}/{protocol}")
        text.add(0, "Endpoints:", _endpoints(slices, port))
    text.add(0, "Session Affinity:", spec.get("sessionAffinity", "None"))
    if spec.get("externalTrafficPolicy"):
        text.add(0, "External Traffic Policy:", spec["externalTrafficPolicy"])
    if spec.get("internalTrafficPolicy"):
        text.add(0, "Internal Traffic Policy:", spec["internalTrafficPolicy"])
    events(text, about)


def _endpoints(slices: Sequence[Obj], port: Obj) -> str:
    """`10.0.0.1:80,10.0.0.2:80 + 1 more...` of the ready ones, as they are really reached."""
    if not slices:
        return NONE
    found: list[str] = []
    for each in slices:
        for slice_port in each.get("ports") or []:
            if (slice_port.get("name") or "") != (port.get("name") or ""):
                continue
            for endpoint in each.get("endpoints") or []:
                if dig(endpoint, "conditions", "ready") is not False and endpoint.get("addresses"):
                    host, number = backend_address(each, endpoint, int(slice_port.get("port") or 0))
                    found.append(f"{host}:{number}")
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more


def describe_node(text: Text, obj: Obj, pods: Sequence[Obj], about: Sequence[Obj]) -> None:
    """`pods` are those bound to it that have not ended."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    roles = [key.partition("/")[2] for key in labels_of(obj) if key.startswith("node-role.kubernetes.io/")]
    text.add(0, "Name:", name_of(obj))
    text.add(0, "Roles:", ",".join(sorted(roles)) or NONE)
    labels_and_annotations(text, obj)
    text.add(0, "CreationTimestamp:", when(dig(obj, "metadata", "creationTimestamp")))
    taints = [
        f"{each.get('key')}{'=' + each['value'] if each.get('value') else ''}:{each.get('effect')}"
        for each in spec.get("taints") or []
    ]
    text.add(0, "Taints:", taints[0] if taints else NONE)
    for taint in taints[1:]:
        text.add(0, "", taint)
    text.add(0, "Unschedulable:", str(bool(spec.get("unschedulable"))).lower())
    _node_conditions(text, status.get("conditions") or [])
    text.add(0, "Addresses:")
    for address in status.get("addresses") or []:
        text.add(1, f"{address.get('type')}:", address.get("address", ""))
    for title, key in (("Capacity:", "capacity"), ("Allocatable:", "allocatable")):
        if status.get(key):
            text.add(0, title)
            for name, amount in sorted(status[key].items()):
                text.add(1, f"{name}:", amount)
    _system_info(text, status.get("nodeInfo") or {})
    _node_pods(text, pods)
    events(text, about)


def _node_conditions(text: Text, listed: Sequence[Obj]) -> None:
    stamped = [
        {**each, **{key: when(each.get(key)) for key in ("lastHeartbeatTime", "lastTransitionTime")}} for each in listed
    ]
    fields = [
        ("LastHeartbeatTime", "lastHeartbeatTime"),
        ("LastTransitionTime", "lastTransitionTime"),
        ("Reason", "reason"),
        ("Message", "message"),
    ]
    conditions(text, stamped, fields)


_SYSTEM_INFO = (
    ("Machine ID:", "machineID"),
    ("System UUID:", "systemUUID"),
    ("Boot ID:", "bootID"),
    ("Kernel Version:", "kernelVersion"),
    ("OS Image:", "osImage"),
    ("Operating System:", "operatingSystem"),
    ("Architecture:", "architecture"),
    ("Container Runtime Version:", "containerRuntimeVersion"),
    ("Kubelet Version:", "kubeletVersion"),
    ("Kube-Proxy Version:", "kubeProxyVersion"),
)


def _system_info(text: Text, info: Obj) -> None:
    text.add(0, "System Info:")
    for title, key in _SYSTEM_INFO:
        text.add(1, title, info.get(key, ""))


def _node_pods(text: Text, pods: Sequence[Obj]) -> None:
    text.add(0, "Non-terminated Pods:", f"({len(pods)} in total)")
    rows = [
        [namespace_of(pod), name_of(pod), age(dig(pod, "metadata", "creationTimestamp"), text.now)]
        for pod in sorted(pods, key=lambda pod: (namespace_of(pod), name_of(pod)))
    ]
    text.table(1, ["Namespace", "Name", "Age"], rows)


def describe_namespace(text: Text, obj: Obj, quotas: Sequence[Obj], limit_ranges: Sequence[Obj]) -> None:
    """Labels, annotations, status, and what its quotas and limit ranges say."""
    text.add(0, "Name:", name_of(obj))
    labels_and_annotations(text, obj)
    text.add(0, "Status:", dig(obj, "status", "phase", default=""))
    text.add(0, "")
    text.add(0, "Resource Quotas" if quotas else "No resource quota.")
    for index, quota in enumerate(quotas):
        if index:
            text.add(0, "")
        hard, used = dig(quota, "status", "hard", default={}), dig(quota, "status", "used", default={})
        text.add(1, "Name:", name_of(quota))
        text.add(1, "Resource", "Used", "Hard")
        text.add(1, "--------", "---", "---")
        for name in sorted(hard):
            text.add(1, name, used.get(name, "0"), hard[name])
    text.add(0, "")
    if not limit_ranges:
        text.add(0, "No LimitRange resource.")
        return
    text.add(0, "Resource Limits")
    header = (" Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")
    text.add(0, *header)
    text.add(0, " ----", *("-" * len(title) for title in header[1:]))
    for limits in limit_ranges:
        for item in dig(limits, "spec", "limits", default=[]):
            for cells in _limits(item):
                text.add(0, *cells)


def _limits(item: Obj) -> Iterator[list[str]]:
    """A row for each resource that an item of a LimitRange bounds."""
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for resource in sorted({name for field in fields for name in item.get(field) or {}}):
        amounts = [str((item.get(field) or {}).get(resource, "-")) for field in fields]
        yield [f" {item.get('type', '')}", resource, *amounts]


def describe_other(text: Text, obj: Obj, about: Sequence[Obj]) -> None:
    """Any kind: its fields, indented, with names in words."""
    text.add(0, "Name:", name_of(obj))
    text.add(0, "Namespace:", namespace_of(obj))
    text.pairs(0, "Labels:", labels_of(obj))
    annotation_lines(text, 0, dig(obj, "metadata", "annotations", default={}))
    text.add(0, "API Version:", obj.get("apiVersion", ""))
    text.add(0, "Kind:", obj.get("kind", ""))
    metadata = obj.get("metadata") or {}
    shown = {key: value for key, value in metadata.items()
             if key not in ("name", "namespace", "labels", "annotations", "managedFields")}  # fmt: skip
    _fields(text, 0, {"metadata": shown})
    _fields(text, 0, {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")})
    events(text, about)


def _fields(text: Text, level: int, fields: Obj) -> None:
    for key, value in sorted(fields.items()):
        title = words_of(key)
        if isinstance(value, dict):
            text.add(level, f"{title}:")
            _fields(text, level + 1, value)
        elif isinstance(value, list):
            text.add(level, f"{title}:")
            _items(text, level + 1, value)
        else:
            text.add(level, f"{title}:", _plain(value))


def _items(text: Text, level: int, items: Sequence[Any]) -> None:
    for item in items:
        if isinstance(item, dict):
            _fields(text, level, item)
        elif isinstance(item, list):
            _items(text, level + 1, item)
        else:
            text.add(level, _plain(item))


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "<nil>" if value is None else str(value)


def words_of(key: str) -> str:
    """`creationTimestamp` as `Creation Timestamp`, `podIP` as `Pod IP`."""
    spaced = ""
    for index, letter in enumerate(key):
        if index and letter.isupper() and not key[index - 1].isupper():
            spaced += " "
        spaced += letter
    return spaced[:1].upper() + spaced[1:]
