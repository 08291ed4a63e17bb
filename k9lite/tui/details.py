"""The detail line's text: the reasons that `diagnose` finds, else the state, then the last event."""

from __future__ import annotations

from collections.abc import Sequence

from k9lite.api.objects import Obj, dig, name_of
from k9lite.api.printing import age
from k9lite.tui.links import event_time, events_about

Part = tuple[str, str]


def detail_parts(obj: Obj | None, related: Sequence[Obj], events: Sequence[Obj], now: float) -> tuple[Part, ...]:
    """`related` are the pods of the object, if it has some."""
    if obj is None:
        return ()
    reasons = _reasons(obj, [*related, *events])
    parts: list[Part] = [(name_of(obj), "bold"), ("  ", "")]
    for text, severity in reasons[:1]:
        parts += [("✗ " if severity == "error" else "! ", _STYLES[severity]), (text, _STYLES[severity]), ("  ", "")]
    own = events_about(obj, events)
    if not own:
        own = sorted((event for one in related for event in events_about(one, events)), key=event_time)
    if own:
        last = own[-1]
        style = "$warning" if last.get("type") == "Warning" else "$role-muted"
        text = " ".join(str(last.get("message", "")).split())
        about = dig(last, "involvedObject", "name", default="")
        who = f"{about}: " if about != name_of(obj) else ""
        parts.append((f"{age(event_time(last), now)} ago {last.get('reason', '')}: {who}{text}", style))
    elif not reasons:
        parts.append(("no events", "$role-muted"))
    return tuple(parts)


_STYLES = {"error": "bold $error", "warning": "$warning", "info": "$role-muted"}


def _reasons(obj: Obj, related: Sequence[Obj]) -> list[tuple[str, str]]:
    """(text, error | warning | info)."""
    from k9lite.api.diagnose import diagnose

    found = []
    for reason in diagnose(obj, related):
        severity = str(reason.severity)
        text = ": ".join(part for part in (reason.cause, reason.evidence) if part)
        text += f" → {reason.action}" if reason.action else ""
        found.append((text, severity if severity in _STYLES else "warning"))
    return found
