"""What a pod's spec says to the node."""

from __future__ import annotations

from collections.abc import Iterable

from k9lite.api.objects import Obj, dig
from k9lite.engines.base import built_in_id


def engine_of(pod: Obj, default: str) -> str:
    """The engine that runs a pod: the one of spec.runtimeClassName, else the cluster's.

    Images that only the process engine has run there, whatever engine the cluster has besides.
    """
    if chosen := dig(pod, "spec", "runtimeClassName"):
        return str(chosen)
    built_in = all(built_in_id(item["image"]) for item in (*init_containers_of(pod), *containers_of(pod)))
    return "process" if built_in else default


def grace_of(pod: Obj) -> int:
    """spec.terminationGracePeriodSeconds."""
    return int(dig(pod, "spec", "terminationGracePeriodSeconds", default=30))


def containers_of(pod: Obj) -> list[Obj]:
    containers: list[Obj] = dig(pod, "spec", "containers", default=[])
    return containers


def init_containers_of(pod: Obj) -> list[Obj]:
    containers: list[Obj] = dig(pod, "spec", "initContainers", default=[])
    return containers


def declared_ports(containers: Iterable[Obj]) -> list[int]:
    """Every containerPort that speaks TCP."""
    return [
        int(port["containerPort"])
        for container in containers
        for port in container.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]
