"""Services."""

from __future__ import annotations

from k9lite.api.catalog import SERVICES
from k9lite.api.objects import Obj, dig
from k9lite.api.printing import external_ip, labels_text, ports_cell
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, reader, role_by_health


def _external(service: Obj, _: float) -> str:
    return external_ip(service).replace("<none>", "-")


def _selector(service: Obj, _: float) -> str:
    return labels_text(dig(service, "spec", "selector")).replace("<none>", "-")


class ServicesView(View):
    resource = SERVICES
    columns = (
        NAME,
        ViewColumn("Type", reader("spec", "type"), style="status", priority=3),
        ViewColumn("Cluster-IP", reader("spec", "clusterIP"), style="muted", priority=4, least=15),
        ViewColumn("External-IP", _external, style="muted", priority=6),
        ViewColumn("Ports", lambda obj, _: ports_cell(obj).replace("<none>", "-"), least=8, most=40),
        ViewColumn("Selector", _selector, style="muted", priority=9, wide=True),
        AGE,
    )  # fmt: skip

    def role(self, obj: Obj, now: float) -> str:
        return role_by_health(obj)
