"""ReplicaSets. Those that a rollout left behind at zero are muted."""

from __future__ import annotations

from k9lite.api.catalog import REPLICASETS
from k9lite.api.kinds.apps import selector_text
from k9lite.api.objects import Obj, annotations_of, controller_of, dig
from k9lite.api.printing import containers_of
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, count, number, role_by_health

_wanted = number("spec", "replicas")
_current = number("status", "replicas")
_ready = number("status", "readyReplicas")


def _revision(obj: Obj) -> int:
    text = annotations_of(obj).get("deployment.kubernetes.io/revision", "")
    return int(text) if text.isdigit() else 0


class ReplicaSetsView(View):
    resource = REPLICASETS
    columns = (
        NAME,
        ViewColumn("Ready", lambda obj, _: f"{_ready(obj)}/{_wanted(obj)}", style="status", right=True),
        count("Current", _current, priority=3),
        count("Revision", _revision, priority=2),
        ViewColumn("Owner", lambda obj, _: (controller_of(obj) or {}).get("name", "-"), style="muted", priority=4),
        ViewColumn(
            "Image",
            lambda obj, _: containers_of(dig(obj, "spec", "template", default={}), "image"),
            style="muted",
            priority=5,
            most=40,
        ),
        ViewColumn("Selector", lambda obj, _: selector_text(obj), style="muted", priority=9, wide=True),
        AGE,
    )

    def role(self, obj: Obj, now: float) -> str:
        role = role_by_health(obj)
        return "completed" if role == "ok" and not _wanted(obj) and not _current(obj) else role
