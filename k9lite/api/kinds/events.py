"""The events.k8s.io group, v1: another look at the core group's events. Source: pkg/apis/events/v1/conversion.go."""

from __future__ import annotations

from k9lite.api.kinds.core import EVENTS
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.api.selectors import field_reader

_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
"""Field of this group -> field of the core group."""


def _to_core(obj: Obj) -> None:
    obj.setdefault("regarding", {})
    for name, core in _NAMES.items():
        if name in obj:
            obj[core] = obj.pop(name)


def _from_core(obj: Obj) -> None:
    for name, core in _NAMES.items():
        if core in obj:
            obj[name] = obj.pop(core)


_REGARDING = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

EVENTS_V1 = Resource(
    "events.k8s.io", "v1", "Event", "events", "event",
    short_names=("ev",), columns=EVENTS.columns, storage=EVENTS, to_storage=_to_core, from_storage=_from_core,
    selectable_fields={f"regarding.{field}": field_reader(f"involvedObject.{field}") for field in _REGARDING}
    | {"reason": field_reader("reason"), "type": field_reader("type"),
       "reportingController": field_reader("reportingComponent")},
)  # fmt: skip
