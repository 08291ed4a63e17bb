"""The parts that descriptions are made of. A line is (level, cells): two spaces for each level, cells in columns.

Source: k8s.io/kubectl/pkg/describe.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from k9lite.api.objects import Obj, annotations_of, dig, labels_of, version_of
from k9lite.api.printing import age
from k9lite.client.columns import elastic
from k9lite.clock import parse_rfc3339

NONE = "<none>"
UNSET = "<unset>"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LONGEST_ANNOTATION = 140


class Text:
    """Collects lines; `str()` aligns them as kubectl's describer does."""

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now
        self._lines: list[list[str]] = []

    def add(self, level: int, *cells: Any) -> None:
        """One line of cells."""
        words = [str(cell) for cell in cells]
        self._lines.append(["  " * level + words[0], *words[1:]])

    def pairs(self, level: int, title: str, pairs: Mapping[str, Any] | None, separator: str = "=") -> None:
        """A mapping, one pair to a line, the first beside the title."""
        items = [f"{key}{separator}{value}" for key, value in sorted((pairs or {}).items())] or [NONE]
        self.add(level, title, items[0])
        for item in items[1:]:
            self.add(level, "", item)

    def listed(self, level: int, title: str, items: Sequence[str]) -> None:
        """A list, one item to a line below the title."""
        if items:
            self.add(level, title)
            for item in items:
                self.add(level + 1, item)

    def table(self, level: int, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A header, its underlines, and rows."""
        self.add(level, *header)
        self.add(level, *("-" * len(title) for title in header))
        for row in rows:
            self.add(level, *row)

    def tabbed(self) -> str:
        """The lines with tabs between their cells, as kubectl prints a pod template alone."""
        return "".join("\t".join([cells[0].rstrip(), *cells[1:]]) + "\n" for cells in self._lines)

    def __str__(self) -> str:
        return "".join(line + "\n" for line in elastic(self._lines))


def when(timestamp: str | None) -> str:
    """`Tue, 24 Nov 2026 03:07:44 +0000`, as Go's RFC1123Z."""
    if not timestamp:
        return NONE
    try:
        moment = datetime.fromtimestamp(parse_rfc3339(timestamp), UTC)
    except ValueError:
        return timestamp
    return moment.strftime("%a, %d %b %Y %H:%M:%S +0000")


def labels_and_annotations(text: Text, obj: Obj) -> None:
    """Both, at the top of every description."""
    text.pairs(0, "Labels:", labels_of(obj))
    annotation_lines(text, 0, annotations_of(obj))


def annotation_lines(text: Text, level: int, values: Mapping[str, str]) -> None:
    """Annotations; what apply keeps for itself is left out, long ones are cut."""
    shown = [
        f"{key}: {value if len(value) <= LONGEST_ANNOTATION else value[:LONGEST_ANNOTATION] + '...'}"
        for key, value in sorted(values.items())
        if key != LAST_APPLIED
    ]
    text.add(level, "Annotations:", shown[0].splitlines()[0] if shown else NONE)
    for item in shown[1:]:
        text.add(level, "", item.splitlines()[0])


def conditions(text: Text, listed: Sequence[Obj], fields: Sequence[tuple[str, str]] = ()) -> None:
    """The conditions of a status as a table of Type, Status and `fields` (title, key)."""
    if not listed:
        return
    text.add(0, "Conditions:")
    titles = ["Type", "Status", *(title for title, _ in fields)]
    rows = [[str(each.get(key) or "") for key in ("type", "status", *(key for _, key in fields))] for each in listed]
    if not fields:
        text.add(1, *titles)
        for kind, status in rows:
            text.add(1, kind + " ", status + " ")
        return
    spaced = len(titles) - 1 if len(fields) > 1 else 1  # upstream's formats have a space before these tabs
    text.table(1, titles, [[*(f"{cell} " for cell in row[:spaced]), *row[spaced:]] for row in rows])


def events(text: Text, found: Sequence[Obj]) -> None:
    """The events about the object, the oldest first."""
    if not found:
        text.add(0, "Events:", NONE)
        return
    text.add(0, "Events:")
    ordered = sorted(found, key=_order)
    text.add(1, "Type", "Reason", "Age", "From", "Message")
    text.add(1, "----", "------", "----", "----", "-------")
    for event in ordered:
        text.add(
            1,
            event.get("type", ""),
            event.get("reason", ""),
            _event_age(event, text.now),
            dig(event, "source", "component") or event.get("reportingComponent") or "",
            str(event.get("message", "")).strip().replace("\n", " "),
        )


def _order(event: Obj) -> tuple[str, int]:
    """By time; within a second as they were written."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or ""), version_of(event)


def _event_age(event: Obj, now: float) -> str:
    """`3s`, `2s (x4 over 10s)`."""
    last = event.get("lastTimestamp") or event.get("eventTime")
    count = int(event.get("count") or 1)
    if count > 1 and event.get("firstTimestamp"):
        return f"{age(last, now)} (x{count} over {age(event['firstTimestamp'], now)})"
    return age(last, now)
