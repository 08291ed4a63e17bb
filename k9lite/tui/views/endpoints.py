"""Endpoints and EndpointSlices: what is behind a service."""

from __future__ import annotations

from k9lite.api.catalog import ENDPOINTS, ENDPOINTSLICES
from k9lite.api.objects import Obj, dig, is_deleting, labels_of
from k9lite.api.printing import endpoints_cell
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, reader


def _subset_addresses(obj: Obj, field: str) -> int:
    return sum(len(subset.get(field) or []) for subset in obj.get("subsets") or [])


def _subsets(obj: Obj, _: float) -> str:
    return endpoints_cell(obj.get("subsets")).replace("<none>", "-")


class EndpointsView(View):
    resource = ENDPOINTS
    columns = (
        NAME,
        ViewColumn("Ready", lambda obj, now: _ready_of_subsets(obj), style="status", right=True, priority=2),
        ViewColumn("Endpoints", _subsets, least=15, most=60),
        AGE,
    )  # fmt: skip

    def role(self, obj: Obj, now: float) -> str:
        if is_deleting(obj):
            return "terminating"
        if _subset_addresses(obj, "addresses"):
            return "ok"
        return "error" if _subset_addresses(obj, "notReadyAddresses") else "completed"


def _ready_of_subsets(obj: Obj) -> str:
    ready = _subset_addresses(obj, "addresses")
    return f"{ready}/{ready + _subset_addresses(obj, 'notReadyAddresses')}"


def _ready_of_slice(obj: Obj) -> tuple[int, int]:
    """(ready, all)."""
    ends = obj.get("endpoints") or []
    return sum(dig(end, "conditions", "ready", default=True) is not False for end in ends), len(ends)


def _addresses(obj: Obj, _: float) -> str:
    return ",".join(str(address) for end in obj.get("endpoints") or [] for address in end.get("addresses") or []) or "-"


def _ports(obj: Obj, _: float) -> str:
    return ",".join(f"{port.get('port', '*')}/{port.get('protocol', 'TCP')}" for port in obj.get("ports") or []) or "-"


class EndpointSlicesView(View):
    resource = ENDPOINTSLICES
    columns = (
        NAME,
        ViewColumn("Ready", lambda obj, _: "{}/{}".format(*_ready_of_slice(obj)), style="status", right=True),
        ViewColumn("Service", lambda obj, _: labels_of(obj).get("kubernetes.io/service-name", "-"), priority=4),
        ViewColumn("Ports", _ports, priority=3),
        ViewColumn("Addresses", _addresses, style="muted", priority=2, least=15, most=60),
        ViewColumn("Type", reader("addressType"), style="muted", priority=8, wide=True),
        AGE,
    )

    def role(self, obj: Obj, now: float) -> str:
        if is_deleting(obj):
            return "terminating"
        ready, total = _ready_of_slice(obj)
        return "ok" if ready else "error" if total else "completed"
