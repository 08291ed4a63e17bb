"""What pods and nodes use, asked of any cluster that serves metrics.k8s.io."""

from __future__ import annotations

from dataclasses import dataclass

from k9lite.api.catalog import NODEMETRICS, PODMETRICS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.api.quantity import parse
from k9lite.api.resources import Resource
from k9lite.client.rest import KubeClient


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU in cores, memory in bytes."""

    cores: float
    memory: int


class MetricsUnavailable(Exception):
    """Why the cluster gives no figures, for people; asking again makes sense when it is `passing`."""

    def __init__(self, why: str, *, passing: bool) -> None:
        super().__init__(why)
        self.passing = passing


async def pod_usage(client: KubeClient, namespace: str | None = None, labels: str = "") -> dict[tuple[str, str], Usage]:
    """(namespace, name) -> what all containers of the pod use together; None: all namespaces.

    Raises MetricsUnavailable, ClientError.
    """
    found = await pod_metrics(client, namespace, labels)
    return {(namespace_of(obj), name_of(obj)): total(obj) for obj in found}


async def node_usage(client: KubeClient) -> dict[str, Usage]:
    """By the node's name. Raises MetricsUnavailable, ClientError."""
    return {name_of(obj): total(obj) for obj in await _list(client, NODEMETRICS, None, "")}


async def pod_metrics(client: KubeClient, namespace: str | None = None, labels: str = "") -> list[Obj]:
    """The PodMetrics themselves. Raises MetricsUnavailable, ClientError."""
    return await _list(client, PODMETRICS, namespace, labels)


def usage_of(entry: Obj) -> Usage:
    """From anything with a `usage`."""
    cores, memory = (parse(str(dig(entry, "usage", key, default="0"))) for key in ("cpu", "memory"))
    return Usage(float(cores), int(memory))


def total(obj: Obj) -> Usage:
    """Of PodMetrics or NodeMetrics."""
    parts = [usage_of(entry) for entry in obj.get("containers") or [obj]]
    return Usage(sum(part.cores for part in parts), sum(part.memory for part in parts))


async def _list(client: KubeClient, resource: Resource, namespace: str | None, labels: str) -> list[Obj]:
    try:
        answer = await client.list(resource, namespace, label_selector=labels)
    except ApiError as error:
        if error.code == 404:
            raise MetricsUnavailable("the cluster has no metrics API (metrics-server)", passing=False) from error
        if error.code in (401, 403):
            raise MetricsUnavailable(error.message, passing=False) from error
        if error.code in (429, 500, 503, 504):
            raise MetricsUnavailable(f"the metrics API does not answer: {error.message}", passing=True) from error
        raise
    items: list[Obj] = answer.get("items") or []
    return items
