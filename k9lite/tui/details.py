"""The detail line's text: the reasons that `diagnose` finds, else the state, then the last event."""

from __future__ import annotations

from collections.abc import Sequence

from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.printing import age
from k9lite.tui.links import event_time, events_about

Part = tuple[str, str]
Line = tuple[Part, ...]
EVENTS_SHOWN = 3


def detail_lines(obj: Obj | None, related: Sequence[Obj], events: Sequence[Obj], now: float) -> tuple[Line, ...]:
    """What matters most first. `related` are the pods of the object, if it has some."""
    if obj is None:
        return ()
    if obj.get("kind") == "Event":
        return (_told(obj),)
    name: Line = ((name_of(obj), "bold"), ("  ", ""))
    lines = _reasons(obj, [*related, *events])[:1]
    own = events_about(obj, events)
    if not own:
        own = sorted((event for one in related for event in events_about(one, events)), key=event_time)
    lines += [_happened(event, obj, now) for event in reversed(own[-EVENTS_SHOWN:])]
    if not lines:
        lines = [(("no events", "$role-muted"),)]
    first, *others = lines
    return ((*name, *first), *others)


def _happened(event: Obj, obj: Obj, now: float) -> Line:
    style = "$warning" if event.get("type") == "Warning" else "$role-muted"
    about = dig(event, "involvedObject", "name", default="")
    who = f"{about}: " if about != name_of(obj) else ""
    return ((f"{age(event_time(event), now)} ago {event.get('reason', '')}: {who}{_message(event)}", style),)


def _told(event: Obj) -> Line:
    """An event's own words, whole."""
    about = dig(event, "involvedObject", "name", default="")
    style = "$warning" if event.get("type") == "Warning" else ""
    return ((about, "bold"), ("  ", ""), (f"{event.get('reason', '')}: {_message(event)}", style))


def _message(event: Obj) -> str:
    return " ".join(str(event.get("message", "")).split())


_STYLES = {"error": "bold $error", "warning": "$warning", "info": "$role-muted"}


def _reasons(obj: Obj, related: Sequence[Obj]) -> list[Line]:
    """What is wrong, in what words the cluster says it, and what to do."""
    from k9lite.api.diagnose import diagnose

    lines: list[Line] = []
    for reason in diagnose(obj, related):
        style = _STYLES[reason.severity]
        parts = [("✗ " if reason.severity == "error" else "! ", style), (reason.cause, style)]
        parts += [(f": {reason.evidence}", "")] if reason.evidence else []
        parts += [(f" → {reason.action}", "$accent")] if reason.action else []
        lines.append(tuple(parts))
    return lines
