"""What changed between two states of an object, in a few words: `replicas 3 -> 10`, `status Pending -> Running`.

`facts` names the facts that people follow for each kind; a change is a fact that differs. Kinds without an entry are
told by their generation and conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k9lite.api.objects import Obj, condition_of, dig, is_deleting
from k9lite.api.printing import containers_of, pod_ready, pod_status, ports_cell, restart_count

Facts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """`old` is empty for what was not there before, `new` for what is gone."""

    what: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old:
            return f"{self.what} {self.new}"
        return f"{self.what} {self.old} -> {self.new or '<none>'}"


def _pod(obj: Obj) -> Facts:
    restarts = restart_count(obj)
    return {
        "status": pod_status(obj),
        "ready": pod_ready(obj),
        "restarts": str(restarts) if restarts else "",
        "node": str(dig(obj, "spec", "nodeName", default="")),
    }


def _workload(obj: Obj) -> Facts:
    wanted = dig(obj, "spec", "replicas", default=1)
    found = {"replicas": str(wanted), "ready": f"{dig(obj, 'status', 'readyReplicas', default=0)}/{wanted}"}
    if obj.get("kind") == "Deployment":
        found["up-to-date"] = f"{dig(obj, 'status', 'updatedReplicas', default=0)}/{wanted}"
        found["image"] = containers_of(dig(obj, "spec", "template", default={}), "image")
    return found


def _service(obj: Obj) -> Facts:
    return {
        "type": str(dig(obj, "spec", "type", default="")),
        "cluster-ip": str(dig(obj, "spec", "clusterIP", default="")),
        "ports": ports_cell(obj),
    }


def _node(obj: Obj) -> Facts:
    ready = condition_of(obj, "Ready") or {}
    is_ready = ready.get("status") == "True"
    return {
        "status": "Ready" if is_ready else "NotReady",
        "reason": "" if is_ready else str(ready.get("message", "")),
        "scheduling": "disabled" if dig(obj, "spec", "unschedulable") else "enabled",
    }


def _event(obj: Obj) -> Facts:
    involved = obj.get("involvedObject") or {}
    about = f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"
    count = int(obj.get("count") or 1)
    text = f"{obj.get('reason', '')} {about}: {str(obj.get('message', '')).strip()}"
    return {str(obj.get("type", "Normal")): text + (f" (x{count})" if count > 1 else "")}


def _addresses(obj: Obj) -> Facts:
    if obj.get("kind") == "EndpointSlice":
        ready = [each for each in obj.get("endpoints") or [] if dig(each, "conditions", "ready") is not False]
        return {"endpoints": str(len(ready))}
    return {"endpoints": str(sum(len(subset.get("addresses") or []) for subset in obj.get("subsets") or []))}


def _other(obj: Obj) -> Facts:
    found = {"generation": str(dig(obj, "metadata", "generation", default=""))}
    found["phase"] = str(dig(obj, "status", "phase", default=""))
    for condition in dig(obj, "status", "conditions", default=[]):
        found[str(condition.get("type", ""))] = str(condition.get("status", ""))
    return found


_FACTS: dict[str, Callable[[Obj], Facts]] = {
    "Pod": _pod,
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "Service": _service,
    "Node": _node,
    "Event": _event,
    "Endpoints": _addresses,
    "EndpointSlice": _addresses,
}


def facts(obj: Obj) -> Facts:
    """The facts of an object that people follow; empty ones are left out."""
    found = _FACTS.get(str(obj.get("kind")), _other)(obj)
    if is_deleting(obj) and obj.get("kind") != "Pod":
        found["deleting"] = "yes"
    return {what: text for what, text in found.items() if text}


def changes(old: Obj | None, new: Obj) -> list[Change]:
    """What differs, in the order of the facts; all facts where there was nothing before."""
    before, after = facts(old) if old else {}, facts(new)
    names = [*after, *(name for name in before if name not in after)]
    return [
        Change(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]
