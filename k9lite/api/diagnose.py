"""Why an object is not as it should be: one truth for red rows, the faults filter, and "why not ready".

`diagnose` is pure. `related` are objects that may tell more: the pods of a deployment, the EndpointSlices of a
service, events. What is not given is not guessed at: a service without slices in `related` gets no verdict on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from k9lite.api.objects import Obj, condition_of, controller_of, dig, is_deleting, name_of, namespace_of, uid_of

Severity = Literal["error", "warning", "info"]
_RANK = {"info": 0, "warning": 1, "error": 2}
_SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Reason:
    """`cause` in a few words, `evidence` as the cluster says it, `action`: what to do about it (may be empty)."""

    cause: str
    evidence: str
    action: str
    severity: Severity

    def __str__(self) -> str:
        return "; ".join(filter(None, (f"{self.cause}: {self.evidence}" if self.evidence else self.cause, self.action)))


def diagnose(obj: Obj, related: Iterable[Obj] = ()) -> list[Reason]:
    """Reasons, the worst first; none: all is well, or nothing is known of this kind."""
    others = list(related)
    by_kind = _KINDS.get(str(obj.get("kind", "")))
    reasons = by_kind(obj, others) if by_kind else []
    reasons += _warnings(obj, others, reasons)
    return sorted(reasons, key=lambda reason: -_RANK[reason.severity])


def severity(reasons: Iterable[Reason]) -> Severity | None:
    """The worst of them."""
    return max((reason.severity for reason in reasons), key=_RANK.__getitem__, default=None)


def _warnings(obj: Obj, related: Sequence[Obj], known: Sequence[Reason]) -> list[Reason]:
    """The newest Warning event about the object, unless its words are among the reasons already."""
    about = [
        event
        for event in related
        if event.get("kind") == "Event"
        and event.get("type") == "Warning"
        and dig(event, "involvedObject", "uid") == uid_of(obj)
    ]
    if not about:
        return []
    newest = max(about, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    message = " ".join(str(newest.get("message", "")).split())
    if any(message in reason.evidence or reason.evidence in message for reason in known if reason.evidence):
        return []
    # Events outlive their cause: without another reason the object may be well again.
    return [Reason(str(newest.get("reason", "Warning")), message, "", "warning" if known else "info")]


# Pods ------------------------------------------------------------------------------------------------
_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: \w+)?(: |$)')
"""What says again which image it is, before the words that tell why."""
_STARTING = ("ContainerCreating", "PodInitializing")
_EXIT_CODES = {
    126: "the command is there but cannot be run: check its permissions",
    127: "the command was not found: check command and args",
    137: "killed (SIGKILL), often for want of memory: check limits and usage",
    139: "crashed (SIGSEGV)",
    143: "ended by SIGTERM: it may have been stopped from outside",
}


def _pod(pod: Obj, _: Sequence[Obj]) -> list[Reason]:
    phase = dig(pod, "status", "phase", default="Pending")
    if is_deleting(pod):
        seconds = dig(pod, "metadata", "deletionGracePeriodSeconds")
        grace = f"grace period {seconds} s" if seconds is not None else ""
        return [Reason("being deleted", grace, "", "info")]
    if phase == "Succeeded":
        return []
    reasons = [reason for status in _statuses(pod) for reason in _container(pod, status)]
    if phase == "Failed" and not reasons:
        cause = str(dig(pod, "status", "reason", default="failed"))
        reasons.append(Reason(cause, str(dig(pod, "status", "message", default="")), "delete it: it stays", "error"))
    if not reasons:
        reasons = _not_started(pod, phase)
    return reasons


def _statuses(pod: Obj) -> list[Obj]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _not_started(pod: Obj, phase: str) -> list[Reason]:
    if phase == "Unknown":
        return [Reason("state unknown", "the node does not answer", "look at the node", "error")]
    if phase != "Pending":
        return []
    scheduled = condition_of(pod, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        message = str(scheduled.get("message", ""))
        return [Reason("no node takes it", message, "uncordon a node or lower its requests", "error")]
    where = dig(pod, "spec", "nodeName")
    evidence = f"bound to node {where}, no container yet" if where else "not bound to a node yet"
    return [Reason("starting", evidence, "", "warning")]


def _container(pod: Obj, status: Obj) -> list[Reason]:
    name, state = str(status.get("name", "")), status.get("state") or {}
    if state.get("waiting"):
        return _waiting(name, status, state["waiting"])
    if state.get("terminated"):
        return _ended(name, state["terminated"])
    is_main = status in (dig(pod, "status", "containerStatuses", default=[]))
    if is_main and "running" in state and not status.get("ready"):
        probe = next((spec.get("readinessProbe") for spec in _specs(pod) if spec.get("name") == name), None)
        action = "its readiness probe does not succeed: see events and logs" if probe else "see its logs"
        return [Reason("not ready", f"container {name} runs but is not ready", action, "warning")]
    return []


def _specs(pod: Obj) -> list[Obj]:
    specs: list[Obj] = dig(pod, "spec", "containers", default=[])
    return specs


def _waiting(name: str, status: Obj, waiting: Obj) -> list[Reason]:
    reason, message = str(waiting.get("reason") or "Waiting"), " ".join(str(waiting.get("message") or "").split())
    if reason in _STARTING:
        return [Reason("starting", message or f"container {name} is being created", "", "warning")]
    if reason in _PULL:
        image = status.get("image") or "its image"
        message = _BACK_OFF.sub("", message)
        return [Reason(f"pull of {image} fails", message or reason, "check the name and tag of the image", "error")]
    if reason == "CrashLoopBackOff":
        return [_crashing(name, status, message)]
    return [Reason(reason, message or f"container {name}", "see the events of the pod", "error")]


def _crashing(name: str, status: Obj, message: str) -> Reason:
    last = dig(status, "lastState", "terminated", default={})
    restarts = status.get("restartCount", 0)
    evidence = f"container {name} ended {restarts} time{'' if restarts == 1 else 's'}"
    if last:
        evidence += f", last with {_exit(last)}"
    elif message:
        evidence += f", {message}"
    return Reason("crash loop", evidence, _advice(last, "see the logs of the container before its restart"), "error")


def _ended(name: str, ended: Obj) -> list[Reason]:
    if ended.get("exitCode") == 0:
        return []
    evidence = f"container {name} ended with {_exit(ended)}"
    return [Reason("container failed", evidence, _advice(ended, "see its logs"), "error")]


def _exit(ended: Obj) -> str:
    if ended.get("reason") == "OOMKilled":
        return "OOMKilled"
    if ended.get("signal"):
        return f"signal {ended['signal']}"
    return f"exit code {ended.get('exitCode', '?')}"


def _advice(ended: Obj, otherwise: str) -> str:
    if ended.get("reason") == "OOMKilled":
        return "raise its memory limit, or let it use less"
    return _EXIT_CODES.get(ended.get("exitCode", -1), otherwise)


# Workloads -------------------------------------------------------------------------------------------
def _workload(obj: Obj, related: Sequence[Obj]) -> list[Reason]:
    """Deployments and ReplicaSets."""
    if is_deleting(obj):
        return [Reason("being deleted", "", "", "info")]
    reasons = []
    wanted = int(dig(obj, "spec", "replicas", default=1))
    ready = int(dig(obj, "status", "readyReplicas", default=0))
    failure = condition_of(obj, "ReplicaFailure") or {}
    if failure.get("status") == "True":
        reasons.append(Reason("pods cannot be made", str(failure.get("message", "")), "", "error"))
    progressing = condition_of(obj, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        action = "look at its pods, or undo the rollout"
        reasons.append(Reason("rollout is stuck", str(progressing.get("message", "")), action, "error"))
    if ready < wanted:
        reasons += _of_pods(obj, related, f"{ready}/{wanted} ready")
    if dig(obj, "spec", "paused"):
        reasons.append(Reason("rollout is paused", "spec.paused is true", "resume it to roll out changes", "info"))
    return reasons


def _of_pods(obj: Obj, related: Sequence[Obj], cause: str) -> list[Reason]:
    """Why replicas are missing: the different reasons of its pods, at most three."""
    pods = [pod for pod in related if pod.get("kind") == "Pod" and _belongs(pod, obj, related)]
    found: dict[tuple[str, str], Reason] = {}
    for pod in pods:
        for reason in _pod(pod, ()):
            if reason.severity != "info":
                found.setdefault((reason.cause, reason.evidence), reason)
    worst = sorted(found.values(), key=lambda reason: -_RANK[reason.severity])[:3]
    if not worst:
        return [Reason(cause, "replicas are being started", "", "warning")]
    return [
        Reason(cause, ": ".join(filter(None, (why.cause, why.evidence))), why.action, why.severity) for why in worst
    ]


def _belongs(pod: Obj, obj: Obj, related: Sequence[Obj]) -> bool:
    """By owner; a deployment owns pods through replica sets, which `related` may lack: then by name."""
    owner = controller_of(pod)
    if owner is None or namespace_of(pod) != namespace_of(obj):
        return False
    if owner.get("uid") == uid_of(obj):
        return True
    if obj.get("kind") != "Deployment" or owner.get("kind") != "ReplicaSet":
        return False
    for other in related:
        if other.get("kind") == "ReplicaSet" and uid_of(other) == owner.get("uid"):
            return (controller_of(other) or {}).get("uid") == uid_of(obj)
    return str(owner.get("name", "")).rpartition("-")[0] == name_of(obj)


# Services, nodes, namespaces -----------------------------------------------------------------------------
def _service(service: Obj, related: Sequence[Obj]) -> list[Reason]:
    if is_deleting(service):
        return [Reason("being deleted", "", "", "info")]
    reasons = []
    spec = service.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not dig(service, "status", "loadBalancer", "ingress"):
        action = "nothing hands out external addresses here: its node port works"
        reasons.append(Reason("no external address", "status.loadBalancer is empty", action, "warning"))
    slices = [
        other
        for other in related
        if other.get("kind") == "EndpointSlice"
        and namespace_of(other) == namespace_of(service)
        and dig(other, "metadata", "labels", default={}).get(_SERVICE_LABEL) == name_of(service)
    ]
    if slices and spec.get("type") != "ExternalName":
        reasons += _endpoints(spec, [end for one in slices for end in one.get("endpoints") or []])
    return reasons


def _endpoints(spec: Obj, endpoints: Sequence[Obj]) -> list[Reason]:
    # Absent means ready: the API says so of conditions.ready.
    ready = sum(dig(end, "conditions", "ready", default=True) is not False for end in endpoints)
    if ready:
        return []
    if endpoints:
        action = "look at the pods behind it"
        return [Reason("no ready endpoints", f"0 of {len(endpoints)} endpoints ready", action, "error")]
    if not spec.get("selector"):
        return [Reason("no endpoints", "it has no selector", "add a selector, or endpoints of your own", "warning")]
    selector = ",".join(f"{key}={value}" for key, value in sorted(spec["selector"].items()))
    return [Reason("no endpoints", f"no pod matches {selector}", "compare the selector with the pods' labels", "error")]


def _node(node: Obj, _: Sequence[Obj]) -> list[Reason]:
    reasons = []
    ready = condition_of(node, "Ready") or {}
    if ready.get("status") != "True":
        evidence = str(ready.get("message") or ready.get("reason") or "no Ready condition")
        reasons.append(Reason("not ready", evidence, "check that its engine answers", "error"))
    for condition in dig(node, "status", "conditions", default=[]):
        kind = str(condition.get("type", ""))
        if kind.endswith("Pressure") and condition.get("status") == "True":
            reasons.append(Reason(kind, str(condition.get("message", "")), "free some, or move pods away", "warning"))
    if dig(node, "spec", "unschedulable"):
        reasons.append(
            Reason("cordoned", "spec.unschedulable is true", "uncordon it to schedule pods on it", "warning")
        )
    return reasons


def _namespace(namespace: Obj, _: Sequence[Obj]) -> list[Reason]:
    if not is_deleting(namespace):
        return []
    left = condition_of(namespace, "NamespaceContentRemaining") or {}
    return [Reason("being deleted", str(left.get("message", "")), "", "info")]


_KINDS: dict[str, Callable[[Obj, Sequence[Obj]], list[Reason]]] = {
    "Pod": _pod,
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "Service": _service,
    "Node": _node,
    "Namespace": _namespace,
}
