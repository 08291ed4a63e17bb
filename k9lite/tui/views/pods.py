"""Pods."""

from __future__ import annotations

from k9lite.api.catalog import PODS
from k9lite.api.objects import Obj, dig
from k9lite.api.printing import age, pod_ready, pod_status, restart_count
from k9lite.tui.views.base import AGE, NAME, View, ViewColumn, count, reader, role_by_health


def _last_restart(pod: Obj) -> str:
    ends = (
        dig(status, "lastState", "terminated", "finishedAt", default="")
        for status in dig(pod, "status", "containerStatuses", default=[])
    )
    return str(max(ends, default=""))


def _restarted(pod: Obj, now: float) -> str:
    last = _last_restart(pod)
    return f"{age(last, now)} ago" if last else "-"


def _images(pod: Obj, _: float) -> str:
    return ",".join(str(container.get("image", "")) for container in dig(pod, "spec", "containers", default=[]))


class PodsView(View):
    resource = PODS
    columns = (
        NAME,
        ViewColumn("Ready", lambda obj, _: pod_ready(obj), style="status", right=True),
        ViewColumn("Status", lambda obj, _: pod_status(obj), style="status", least=17, most=28),
        count("Restarts", restart_count, priority=3),
        ViewColumn("Last restart", _restarted, key=_last_restart, style="muted", clock=True, priority=8, wide=True),
        ViewColumn("IP", reader("status", "podIP"), style="muted", priority=5, least=15),
        ViewColumn("Node", reader("spec", "nodeName"), style="muted", priority=4, most=30),
        ViewColumn("Image", _images, style="muted", priority=7, wide=True),
        ViewColumn("QoS", reader("status", "qosClass"), style="muted", priority=9, wide=True),
        AGE,
    )  # fmt: skip

    def role(self, obj: Obj, now: float) -> str:
        role = role_by_health(obj)
        return "completed" if role == "ok" and pod_status(obj) in ("Completed", "Succeeded") else role
