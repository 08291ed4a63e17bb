"""metrics.k8s.io: get and list of what the node agent has measured, which no store holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from k9lite.api.catalog import PODMETRICS
from k9lite.api.errors import ApiError, not_found
from k9lite.api.objects import Obj, encode, labels_of, name_of, namespace_of
from k9lite.api.selectors import FieldSelector, LabelSelector
from k9lite.api.table import partial, partial_list, table
from k9lite.apiserver.requests import PARTIAL, TABLE, Target, form_of
from k9lite.clock import Clock

Query = Mapping[str, str]


class MetricsSource(Protocol):
    """What has been measured: the node agent."""

    def pod_metrics(self) -> list[Obj]:
        """PodMetrics, in the order of namespaces and names."""

    def node_metrics(self) -> list[Obj]:
        """NodeMetrics."""


class MetricsApi:
    """Answers for targets of the two kinds."""

    def __init__(self, source: MetricsSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock

    def answer(self, target: Target, query: Query, accept: str) -> bytes:
        """The JSON of one object, a list or a Table. Raises ApiError 400, 404, 405 or 406."""
        form = form_of(accept)
        if query.get("watch", "") in ("1", "true"):
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        found = self._select(target, query)
        if target.name and not found:
            raise not_found(target.resource.key, target.name)
        if form == TABLE:
            include = query.get("includeObject") or "Metadata"
            return encode(table(target.resource, found, "", self._clock.time(), include))
        if form == PARTIAL:
            return encode(partial(found[0]) if target.name else partial_list(found, {}))
        if target.name:
            return encode(found[0])
        resource = target.resource
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": {}}
        return encode({**head, "items": found})

    def _select(self, target: Target, query: Query) -> list[Obj]:
        found = self._source.pod_metrics() if target.resource is PODMETRICS else self._source.node_metrics()
        if target.name:
            return [obj for obj in found if (namespace_of(obj), name_of(obj)) == (target.namespace or "", target.name)]
        labels = LabelSelector.parse(query.get("labelSelector", ""))
        fields = FieldSelector.parse(query.get("fieldSelector", ""), target.resource)
        return [
            obj
            for obj in found
            if (not target.namespace or namespace_of(obj) == target.namespace)
            and labels.matches(labels_of(obj))
            and fields.matches(obj)
        ]
