"""Events, the newest first."""

from __future__ import annotations

from k9lite.api.catalog import EVENTS
from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.printing import age
from k9lite.tui.views.base import View, ViewColumn, count


def last_seen(event: Obj) -> str:
    """The newest timestamp of an event, "" without any."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")


def _last_seen_age(event: Obj, now: float) -> str:
    return age(last_seen(event), now)


def _about(event: Obj, _: float) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _source(event: Obj, _: float) -> str:
    return str(dig(event, "source", "component") or event.get("reportingComponent") or "-")


def _count(event: Obj) -> int:
    value = event.get("count") or dig(event, "series", "count", default=1)
    return value if isinstance(value, int) else 1


class EventsView(View):
    resource = EVENTS
    columns = (
        ViewColumn("Last seen", _last_seen_age, key=last_seen, style="muted", clock=True, right=True),
        ViewColumn("Type", lambda obj, _: str(obj.get("type", "")), style="status", priority=4),
        ViewColumn("Reason", lambda obj, _: str(obj.get("reason", "")), style="status", priority=1, most=24),
        ViewColumn("Object", _about, style="name", priority=2, least=24, most=44),
        count("Count", _count, priority=3),
        ViewColumn("Message", lambda obj, _: " ".join(str(obj.get("message", "")).split()), least=20),
        ViewColumn("Source", _source, style="muted", priority=8, wide=True),
        ViewColumn("Name", lambda obj, _: name_of(obj), key=name_of, style="muted", priority=9, wide=True),
    )  # fmt: skip
    stretch = "Message"
    default_sort = ("Last seen", True)

    def role(self, obj: Obj, now: float) -> str:
        return "pending" if obj.get("type") == "Warning" else "ok"

    def is_fault(self, obj: Obj, now: float) -> bool:
        return obj.get("type") == "Warning"
