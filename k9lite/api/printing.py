"""Cells as kubectl prints them. Source: k8s.io/kubernetes/pkg/printers/internalversion, apimachinery/util/duration."""

from __future__ import annotations

from typing import Any

from k9lite.api.objects import Obj, dig, is_deleting, is_true
from k9lite.clock import parse_rfc3339

NONE = "<none>"
UNKNOWN = "<unknown>"


def human_duration(seconds: float) -> str:
    """`5s`, `3m12s`, `2h`, `4d3h`, `2y10d`: as duration.HumanDuration."""
    if seconds <= -2:
        return "<invalid>"
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years = days // 365
    return f"{years}y{days % 365}d" if years < 8 and days % 365 else f"{years}y"


def age(timestamp: str | None, now: float) -> str:
    """The time since a metav1.Time, `<unknown>` without one."""
    if not timestamp:
        return UNKNOWN
    try:
        return human_duration(now - parse_rfc3339(timestamp))
    except ValueError:
        return UNKNOWN


def created_age(obj: Obj, now: float) -> str:
    return age(dig(obj, "metadata", "creationTimestamp"), now)


def _initialising(pod: Obj) -> str | None:
    """`Init:1/2` or why an init container does not get on; None when all are done."""
    statuses = dig(pod, "status", "initContainerStatuses", default=[])
    total = len(dig(pod, "spec", "initContainers", default=[]))
    for index, status in enumerate(statuses):
        state = status.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if terminated:
            return "Init:" + _terminated(terminated)
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return None


def _terminated(state: Obj) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def pod_status(pod: Obj) -> str:
    """The STATUS cell of a pod."""
    reason = str(dig(pod, "status", "reason") or dig(pod, "status", "phase", default="Unknown"))
    initialising = _initialising(pod)
    if initialising:
        reason = initialising
    else:
        running = False
        for status in reversed(dig(pod, "status", "containerStatuses", default=[])):
            state = status.get("state") or {}
            if (state.get("waiting") or {}).get("reason"):
                reason = state["waiting"]["reason"]
            elif state.get("terminated"):
                reason = _terminated(state["terminated"])
            elif status.get("ready") and state.get("running"):
                running = True
        if reason == "Completed" and running:
            reason = "Running" if is_true(pod, "Ready") else "NotReady"
    if is_deleting(pod):
        return "Unknown" if dig(pod, "status", "reason") == "NodeLost" else "Terminating"
    return reason


def pod_ready(pod: Obj) -> str:
    """`1/2`: ready containers of all."""
    statuses = dig(pod, "status", "containerStatuses", default=[])
    total = len(dig(pod, "spec", "containers", default=[]))
    return f"{sum(bool(status.get('ready')) for status in statuses)}/{total}"


def restart_count(pod: Obj) -> int:
    return sum(int(status.get("restartCount", 0)) for status in dig(pod, "status", "containerStatuses", default=[]))


def restarts_cell(pod: Obj, now: float) -> str:
    """`3 (2m ago)`."""
    count = restart_count(pod)
    ends = [
        dig(status, "lastState", "terminated", "finishedAt", default="")
        for status in dig(pod, "status", "containerStatuses", default=[])
    ]
    last = max(ends, default="")
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def ports_cell(service: Obj) -> str:
    """`80:31234/TCP,443/TCP`."""
    parts = []
    for port in dig(service, "spec", "ports", default=[]):
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(parts) or NONE


def external_ip(service: Obj) -> str:
    if dig(service, "spec", "type") == "ExternalName":
        return str(dig(service, "spec", "externalName", default=NONE))
    ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
    addresses = [entry.get("ip") or entry.get("hostname") or "" for entry in ingress]
    addresses += dig(service, "spec", "externalIPs", default=[])
    if any(addresses):
        return ",".join(filter(None, addresses))
    return "<pending>" if dig(service, "spec", "type") == "LoadBalancer" else NONE


def labels_text(labels: dict[str, str] | None) -> str:
    """`a=b,c=d`, `<none>` without any."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def containers_of(template: Obj, field: str) -> str:
    """The names or images of a pod template's containers, joined."""
    return ",".join(str(container.get(field, "")) for container in dig(template, "spec", "containers", default=[]))


def endpoints_cell(subsets: list[Obj] | None) -> str:
    """`10.0.0.1:80,10.0.0.2:80 + 1 more...`."""
    if not subsets:
        return NONE
    shown: list[str] = []
    count = 0
    for subset in subsets:
        for port in subset.get("ports") or [{}]:
            for address in subset.get("addresses") or []:
                count += 1
                if len(shown) < 3:
                    shown.append(f"{address.get('ip')}:{port['port']}" if "port" in port else str(address.get("ip")))
    more = f" + {count - len(shown)} more..." if count > len(shown) else ""
    return (",".join(shown) + more) or NONE


def text_or(value: Any, otherwise: str = NONE) -> str:
    return str(value) if value not in (None, "") else otherwise
