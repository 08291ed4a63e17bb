"""Nodes."""

from __future__ import annotations

from k9lite.api.catalog import NODES
from k9lite.api.objects import Obj, dig, is_true, labels_of
from k9lite.api.quantity import to_bytes
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, reader, role_by_health

_ROLE = "node-role.kubernetes.io/"


def _status(node: Obj, _: float) -> str:
    ready = "Ready" if is_true(node, "Ready") else "NotReady"
    return ready + (",Cordoned" if dig(node, "spec", "unschedulable") else "")


def _roles(node: Obj, _: float) -> str:
    return ",".join(sorted(key.removeprefix(_ROLE) for key in labels_of(node) if key.startswith(_ROLE))) or "-"


def _address(node: Obj, _: float) -> str:
    addresses = dig(node, "status", "addresses", default=[])
    return next((str(entry.get("address")) for entry in addresses if entry.get("type") == "InternalIP"), "-")


def _bytes(node: Obj) -> int:
    try:
        return to_bytes(dig(node, "status", "allocatable", "memory", default=0))
    except ValueError:
        return 0


def _memory(node: Obj, _: float) -> str:
    size = _bytes(node)
    return f"{size / 2**30:.1f}Gi" if size else "-"


class NodesView(View):
    resource = NODES
    columns = (
        NAME,
        ViewColumn("Status", _status, style="status", least=8),
        ViewColumn("Roles", _roles, style="muted", priority=5),
        ViewColumn("Version", reader("status", "nodeInfo", "kubeletVersion"), style="muted", priority=4),
        ViewColumn("CPU", reader("status", "allocatable", "cpu"), priority=2, right=True),
        ViewColumn("Memory", _memory, key=_bytes, priority=3, right=True),
        ViewColumn("Runtime", reader("status", "nodeInfo", "containerRuntimeVersion"), style="muted", priority=6),
        ViewColumn("Internal-IP", _address, style="muted", priority=8, wide=True),
        ViewColumn("OS", reader("status", "nodeInfo", "osImage"), style="muted", priority=9, wide=True),
        ViewColumn("Kernel", reader("status", "nodeInfo", "kernelVersion"), style="muted", priority=9, wide=True),
        AGE,
    )

    def role(self, obj: Obj, now: float) -> str:
        return role_by_health(obj)
