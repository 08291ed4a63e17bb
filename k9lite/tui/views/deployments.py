"""Deployments."""

from __future__ import annotations

from k9lite.api.catalog import DEPLOYMENTS
from k9lite.api.kinds.apps import selector_text
from k9lite.api.objects import Obj, dig
from k9lite.api.printing import containers_of
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, count, number, reader, role_by_health

_ready = number("status", "readyReplicas")
_wanted = number("spec", "replicas")
_updated = number("status", "updatedReplicas")
_available = number("status", "availableReplicas")


def _images(deployment: Obj, _: float) -> str:
    return containers_of(dig(deployment, "spec", "template", default={}), "image")


class DeploymentsView(View):
    resource = DEPLOYMENTS
    columns = (
        NAME,
        ViewColumn("Ready", lambda obj, _: f"{_ready(obj)}/{_wanted(obj)}", style="status", right=True),
        count("Up-to-date", _updated, priority=3),
        count("Available", _available, priority=4),
        ViewColumn("Image", _images, style="muted", priority=5, most=40),
        ViewColumn("Strategy", reader("spec", "strategy", "type"), style="muted", priority=8, wide=True),
        ViewColumn("Selector", lambda obj, _: selector_text(obj), style="muted", priority=9, wide=True),
        AGE,
    )  # fmt: skip

    def role(self, obj: Obj, now: float) -> str:
        role = role_by_health(obj)
        if role != "ok":
            return role
        if _wanted(obj) == 0:
            return "completed" if _ready(obj) == 0 else "pending"
        seen = dig(obj, "status", "observedGeneration", default=0) >= dig(obj, "metadata", "generation", default=0)
        return "ok" if seen and min(_available(obj), _updated(obj)) >= _wanted(obj) else "pending"
