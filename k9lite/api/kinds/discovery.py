"""The discovery.k8s.io group, v1: EndpointSlice."""

from __future__ import annotations

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj
from k9lite.api.printing import NONE
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import immutable, required, unsupported


def _ports(obj: Obj, _: float) -> str:
    return ",".join(str(port.get("port", "*")) for port in obj.get("ports") or []) or "<unset>"


def _addresses(obj: Obj, _: float) -> str:
    found = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return (",".join(found[:3]) + more) or "<unset>"


_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def _validate(obj: Obj) -> list[Cause]:
    kind = obj.get("addressType")
    causes = [] if kind in _ADDRESS_TYPES else [unsupported("addressType", kind or "", _ADDRESS_TYPES)]
    causes += [
        required(f"endpoints[{index}].addresses", "must contain at least 1 address")
        for index, endpoint in enumerate(obj.get("endpoints") or [])
        if not endpoint.get("addresses")
    ]
    return causes


def _validate_update(new: Obj, old: Obj) -> list[Cause]:
    return immutable("addressType", new, old, "addressType")


ENDPOINTSLICES = Resource(
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice",
    validate=_validate, validate_update=_validate_update,
    columns=(
        NAME,
        Column("AddressType", lambda obj, _: str(obj.get("addressType", NONE))),
        Column("Ports", _ports),
        Column("Endpoints", _addresses),
        AGE,
    ),
)  # fmt: skip
