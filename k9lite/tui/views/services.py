"""Services."""

from __future__ import annotations

from k9lite.api.catalog import SERVICES
from k9lite.api.objects import Obj, dig, is_deleting
from k9lite.api.printing import external_ip, labels_text, ports_cell, text_or
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn


def _external(service: Obj, _: float) -> str:
    return external_ip(service).replace("<none>", "-")


class ServicesView(View):
    resource = SERVICES
    columns = (
        NAME,
        ViewColumn("Type", lambda obj, _: dig(obj, "spec", "type", default=""), style="status", priority=3),
        ViewColumn("Cluster-IP", lambda obj, _: text_or(dig(obj, "spec", "clusterIP"), "-"), style="muted", priority=4),
        ViewColumn("External-IP", _external, style="muted", priority=6),
        ViewColumn("Ports", lambda obj, _: ports_cell(obj).replace("<none>", "-"), least=8, most=40),
        ViewColumn("Selector", lambda obj, _: labels_text(dig(obj, "spec", "selector")), style="muted", priority=9, wide=True),
        AGE,
    )  # fmt: skip

    def role(self, obj: Obj, now: float) -> str:
        if is_deleting(obj):
            return "terminating"
        return "pending" if external_ip(obj) == "<pending>" else "ok"
