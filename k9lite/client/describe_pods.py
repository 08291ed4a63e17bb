"""Pods and pod templates in detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k9lite.api.objects import Obj, annotations_of, controller_of, dig, is_deleting, labels_of, name_of, namespace_of
from k9lite.api.printing import human_duration
from k9lite.client.describe_text import NONE, Text, annotation_lines, conditions, events, labels_and_annotations, when
from k9lite.clock import parse_rfc3339


def describe_pod(text: Text, pod: Obj, about: Sequence[Obj]) -> None:
    """Everything of a pod."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    text.add(0, "Name:", name_of(pod))
    text.add(0, "Namespace:", namespace_of(pod))
    if spec.get("priority") is not None:
        text.add(0, "Priority:", spec["priority"])
    if spec.get("runtimeClassName"):
        text.add(0, "Runtime Class Name:", spec["runtimeClassName"])
    text.add(0, "Service Account:", spec.get("serviceAccountName") or "default")
    node = spec.get("nodeName")
    text.add(0, "Node:", f"{node}/{status.get('hostIP', '')}" if node else NONE)
    if status.get("startTime"):
        text.add(0, "Start Time:", when(status["startTime"]))
    labels_and_annotations(text, pod)
    if is_deleting(pod):
        gone = human_duration(text.now - parse_rfc3339(pod["metadata"]["deletionTimestamp"]))
        text.add(0, "Status:", f"Terminating (lasts {gone})")
        text.add(0, "Termination Grace Period:", f"{dig(pod, 'metadata', 'deletionGracePeriodSeconds', default=0)}s")
    else:
        text.add(0, "Status:", status.get("phase", ""))
    for title, key in (("Reason:", "reason"), ("Message:", "message")):
        if status.get(key):
            text.add(0, title, status[key])
    text.add(0, "IP:", status.get("podIP", ""))
    addresses = status.get("podIPs") or []
    text.add(0, "IPs:") if addresses else text.add(0, "IPs:", NONE)
    for address in addresses:
        text.add(1, "IP:", address.get("ip", ""))
    owner = controller_of(pod)
    if owner:
        text.add(0, "Controlled By:", f"{owner['kind']}/{owner['name']}")
    if spec.get("initContainers"):
        _containers(text, "Init Containers:", spec["initContainers"], status.get("initContainerStatuses") or [])
    _containers(text, "Containers:", spec.get("containers") or [], status.get("containerStatuses") or [])
    conditions(text, status.get("conditions") or [])
    volumes(text, spec.get("volumes") or [], 0)
    text.add(0, "QoS Class:", status.get("qosClass") or "BestEffort")
    text.pairs(0, "Node-Selectors:", spec.get("nodeSelector"))
    tolerations(text, spec.get("tolerations") or [], 0)
    events(text, about)


def template(text: Text, obj: Obj) -> None:
    """`Pod Template:` of a workload."""
    spec = obj.get("spec") or {}
    text.add(0, "Pod Template:")
    text.pairs(1, "Labels:", labels_of(obj))
    if annotations_of(obj):
        annotation_lines(text, 1, annotations_of(obj))
    if spec.get("initContainers"):
        _containers(text, "Init Containers:", spec["initContainers"], None, 1)
    _containers(text, "Containers:", spec.get("containers") or [], None, 1)
    volumes(text, spec.get("volumes") or [], 1)
    text.pairs(1, "Node-Selectors:", spec.get("nodeSelector"))
    tolerations(text, spec.get("tolerations") or [], 1)


def _containers(
    text: Text, title: str, containers: Sequence[Obj], statuses: Sequence[Obj] | None, level: int = 0
) -> None:
    """Each container; `statuses` None: of a template, where there are none.

    At any level the fields are two levels deep, the names one, and one space more in a template.
    """
    text.add(level, title)
    by_name = {each.get("name"): each for each in statuses or []}
    for container in containers:
        status = by_name.get(container.get("name"))
        text.add(1, f"{' ' if level else ''}{container.get('name', '')}:")
        if status is not None:
            text.add(2, "Container ID:", status.get("containerID", ""))
        text.add(2, "Image:", container.get("image", ""))
        if status is not None:
            text.add(2, "Image ID:", status.get("imageID", ""))
        _ports(text, container, 2)
        text.listed(2, "Command:", [str(each) for each in container.get("command") or []])
        text.listed(2, "Args:", [str(each) for each in container.get("args") or []])
        if status is not None:
            _states(text, status, 2)
        _resources(text, container, 2)
        for word in ("liveness", "readiness", "startup"):
            if container.get(f"{word}Probe"):
                text.add(2, f"{word.capitalize()}:", _probe(container[f"{word}Probe"]))
        _environment(text, container, 2)
        _mounts(text, container, 2)


def _ports(text: Text, container: Obj, level: int) -> None:
    ports = container.get("ports") or []
    many = "s" if len(ports) > 1 else ""
    inside = [f"{each.get('containerPort')}/{each.get('protocol', 'TCP')}" for each in ports]
    outside = [f"{each.get('hostPort', 0)}/{each.get('protocol', 'TCP')}" for each in ports]
    text.add(level, f"Port{many}:", ", ".join(inside) or NONE)
    text.add(level, f"Host Port{many}:", ", ".join(outside) or NONE)


def _states(text: Text, status: Obj, level: int) -> None:
    _state(text, "State:", status.get("state") or {}, level)
    if status.get("lastState"):
        _state(text, "Last State:", status["lastState"], level)
    text.add(level, "Ready:", bool(status.get("ready")))
    text.add(level, "Restart Count:", status.get("restartCount", 0))


def _state(text: Text, title: str, state: Obj, level: int) -> None:
    running, terminated, waiting = state.get("running"), state.get("terminated"), state.get("waiting")
    if running is not None:
        text.add(level, title, "Running")
        text.add(level + 1, "Started:", when(running.get("startedAt")))
    elif terminated is not None:
        text.add(level, title, "Terminated")
        for name, key in (("Reason:", "reason"), ("Message:", "message")):
            if terminated.get(key):
                text.add(level + 1, name, str(terminated[key]).strip())
        text.add(level + 1, "Exit Code:", terminated.get("exitCode", 0))
        if terminated.get("signal"):
            text.add(level + 1, "Signal:", terminated["signal"])
        text.add(level + 1, "Started:", when(terminated.get("startedAt")))
        text.add(level + 1, "Finished:", when(terminated.get("finishedAt")))
    else:
        text.add(level, title, "Waiting")
        for name, key in (("Reason:", "reason"), ("Message:", "message")):
            if (waiting or {}).get(key):
                text.add(level + 1, name, str((waiting or {})[key]).strip())


def _resources(text: Text, container: Obj, level: int) -> None:
    for title, key in (("Limits:", "limits"), ("Requests:", "requests")):
        values = dig(container, "resources", key, default={})
        if values:
            text.add(level, title)
            for name, amount in sorted(values.items()):
                text.add(level + 1, f"{name}:", amount)


def _probe(probe: Obj) -> str:
    """`http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3`."""
    how = "unknown"
    if probe.get("exec"):
        how = f"exec [{' '.join(map(str, dig(probe, 'exec', 'command', default=[])))}]"
    elif probe.get("httpGet"):
        http = probe["httpGet"]
        scheme = str(http.get("scheme", "HTTP")).lower()
        how = f"http-get {scheme}://{http.get('host', '')}:{http.get('port', '')}{http.get('path', '')}"
    elif probe.get("tcpSocket"):
        how = f"tcp-socket {dig(probe, 'tcpSocket', 'host', default='')}:{dig(probe, 'tcpSocket', 'port', default='')}"
    elif probe.get("grpc"):
        how = (
            f"grpc <pod>:{dig(probe, 'grpc', 'port', default='')} {dig(probe, 'grpc', 'service', default='')}".rstrip()
        )
    return (
        f"{how} delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )


def _environment(text: Text, container: Obj, level: int) -> None:
    entries = container.get("env") or []
    text.add(level, "Environment:") if entries else text.add(level, "Environment:", NONE)
    for entry in entries:
        text.add(level + 1, f"{entry.get('name')}:", _value(entry))


def _value(entry: Obj) -> str:
    source: Any = entry.get("valueFrom")
    if not source:
        return str(entry.get("value", ""))
    if source.get("fieldRef"):
        return f" ({source['fieldRef'].get('apiVersion', 'v1')}:{source['fieldRef'].get('fieldPath')})"
    for key, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "config map")):
        if source.get(key):
            reference = source[key]
            optional = str(bool(reference.get("optional"))).lower()
            return (
                f"<set to the key '{reference.get('key')}' in {kind} '{reference.get('name')}'>  Optional: {optional}"
            )
    return str(dig(source, "resourceFieldRef", "resource", default=""))


def _mounts(text: Text, container: Obj, level: int) -> None:
    mounts = sorted(container.get("volumeMounts") or [], key=lambda each: str(each.get("mountPath")))
    text.add(level, "Mounts:") if mounts else text.add(level, "Mounts:", NONE)
    for mount in mounts:
        path = f',path="{mount["subPath"]}"' if mount.get("subPath") else ""
        mode = "ro" if mount.get("readOnly") else "rw"
        text.add(level + 1, f"{mount.get('mountPath')} from {mount.get('name')} ({mode}{path})")


def volumes(text: Text, listed: Sequence[Obj], level: int) -> None:
    """Each volume with its kind and the settings of it."""
    text.add(level, "Volumes:") if listed else text.add(level, "Volumes:", NONE)
    for volume in listed:
        kind = next((key for key in volume if key != "name"), "unknown")
        text.add(level + 1, f"{volume.get('name')}:")
        text.add(level + 2, "Type:", kind[:1].upper() + kind[1:])
        settings = volume.get(kind)
        for key, value in sorted(settings.items()) if isinstance(settings, dict) else ():
            text.add(level + 2, f"{key[:1].upper() + key[1:]}:", value)


def tolerations(text: Text, listed: Sequence[Obj], level: int) -> None:
    """Each toleration in one line."""
    lines = []
    for each in listed:
        value = f"={each['value']}" if each.get("value") else ""
        effect = f":{each['effect']}" if each.get("effect") else ""
        operator = " op=Exists" if each.get("operator") == "Exists" else ""
        seconds = f" for {each['tolerationSeconds']}s" if each.get("tolerationSeconds") is not None else ""
        lines.append(f"{each.get('key', '')}{value}{effect}{operator}{seconds}")
    text.add(level, "Tolerations:", lines[0] if lines else NONE)
    for line in lines[1:]:
        text.add(level, "", line)
