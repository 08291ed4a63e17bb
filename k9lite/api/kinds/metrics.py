"""The metrics.k8s.io group, v1beta1: PodMetrics and NodeMetrics, served from memory. Source: kubernetes-sigs/metrics-server."""

from __future__ import annotations

from k9lite.api.kinds.core import NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.quantity import parse
from k9lite.api.resources import Column, Resource

GROUP = "metrics.k8s.io"
_VERBS = ("get", "list")


def _total(obj: Obj, resource: str) -> float:
    usages = [container.get("usage") or {} for container in obj.get("containers") or [obj]]
    return float(sum(parse(str(dig(usage, resource, default="0"))) for usage in usages))


def _cpu(obj: Obj, _: float) -> str:
    return f"{round(_total(obj, 'cpu') * 1000)}m"


def _memory(obj: Obj, _: float) -> str:
    return f"{round(_total(obj, 'memory') / 1024)}Ki"


def _window(obj: Obj, _: float) -> str:
    return str(obj.get("window", ""))


_COLUMNS = (NAME, Column("CPU", _cpu), Column("Memory", _memory), Column("Window", _window))

PODMETRICS = Resource(GROUP, "v1beta1", "PodMetrics", "pods", "pod", verbs=_VERBS, columns=_COLUMNS)
NODEMETRICS = Resource(
    GROUP, "v1beta1", "NodeMetrics", "nodes", "node", namespaced=False, verbs=_VERBS, columns=_COLUMNS
)
