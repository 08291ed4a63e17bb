"""Namespaces."""

from __future__ import annotations

from k9lite.api.catalog import NAMESPACES
from k9lite.api.objects import Obj
from k9lite.api.printing import labels_text
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, reader, role_by_health


def _labels(namespace: Obj, _: float) -> str:
    return labels_text((namespace.get("metadata") or {}).get("labels")).replace("<none>", "-")


class NamespacesView(View):
    resource = NAMESPACES
    columns = (
        NAME,
        ViewColumn("Status", reader("status", "phase"), style="status"),
        ViewColumn("Labels", _labels, style="muted", priority=9, wide=True),
        AGE,
    )

    def role(self, obj: Obj, now: float) -> str:
        return role_by_health(obj)
