"""The discovery.k8s.io group, v1: EndpointSlice."""

from __future__ import annotations

from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj
from k9lite.api.printing import NONE
from k9lite.api.resources import Column, Resource


def _ports(obj: Obj, _: float) -> str:
    return ",".join(str(port.get("port", "*")) for port in obj.get("ports") or []) or "<unset>"


def _addresses(obj: Obj, _: float) -> str:
    found = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return (",".join(found[:3]) + more) or "<unset>"


ENDPOINTSLICES = Resource(
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice",
    columns=(
        NAME,
        Column("AddressType", lambda obj, _: str(obj.get("addressType", NONE))),
        Column("Ports", _ports),
        Column("Endpoints", _addresses),
        AGE,
    ),
)  # fmt: skip
