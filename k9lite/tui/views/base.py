"""What a table shows of one kind: its columns, their cells and sort keys, and the role that colours a row.

A view is pure: cells and roles come from the object and a time, never from the screen. Roles are names
(`ok`, `pending`, `error`...) that a theme maps to colours; `SYMBOLS` says the same without colours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from k9lite.api.diagnose import diagnose, severity
from k9lite.api.objects import Obj, dig, is_deleting, name_of, namespace_of
from k9lite.api.printing import created_age
from k9lite.api.resources import Resource

CellText = Callable[[Obj, float], str]
"""(object, now in seconds since the epoch) -> the text of a cell."""
SortKey = Callable[[Obj], Any]
Style = Literal["plain", "name", "status", "muted"]

SYMBOLS = {
    "ok": "●",
    "pending": "◐",
    "completed": "○",
    "error": "✗",
    "terminating": "◌",
    "modified": "◆",
    "deleted": "✗",
}
"""Shown before each row, so that its state is readable without colours."""

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column. Widths are in terminal cells."""

    name: str
    cell: CellText
    key: SortKey | None = None
    """What to sort by; without one the text, numbers inside it compared as numbers."""
    style: Style = "plain"
    """status: in the row's role; name: in the role of rows that need attention; muted: of less weight."""
    right: bool = False
    priority: int = 0
    """Columns with the highest number are the first to go on narrow terminals; 0 stays."""
    wide: bool = False
    """Shown in wide mode only."""
    clock: bool = False
    """Changes with time alone: no highlight, no filter, refreshed every second."""
    least: int = 10
    """Not shrunk below this."""
    most: int = 48
    """Not grown above this, unless it is the one that takes the room left over."""

    @property
    def title(self) -> str:
        return self.name.upper()


def natural(text: str) -> str:
    """A sort key for texts with numbers: `9/10` before `10/10`."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(12), text.lower())


def created(obj: Obj) -> str:
    return str(dig(obj, "metadata", "creationTimestamp", default=""))


def number(*path: str) -> Callable[[Obj], int]:
    """Reads a whole number, 0 where it is absent."""

    def read(obj: Obj) -> int:
        value = dig(obj, *path, default=0)
        return value if isinstance(value, int) else 0

    return read


def reader(*path: str) -> CellText:
    """Reads a text, `-` where it is absent."""

    def read(obj: Obj, _: float) -> str:
        value = dig(obj, *path)
        return "-" if value in (None, "") else str(value)

    return read


def count(name: str, read: Callable[[Obj], int], **options: Any) -> ViewColumn:
    """A column of whole numbers."""
    return ViewColumn(name, lambda obj, _: str(read(obj)), key=read, right=True, **options)


NAMESPACE = ViewColumn("Namespace", lambda obj, _: namespace_of(obj), style="muted", priority=2, least=11, most=24)
NAME = ViewColumn("Name", lambda obj, _: name_of(obj), key=name_of, style="name", least=10, most=63)
AGE = ViewColumn("Age", created_age, key=created, style="muted", clock=True, priority=1, right=True)


def role_by_health(obj: Obj) -> str:
    """The role that its diagnosis, looking at nothing else, gives an object."""
    if is_deleting(obj):
        return "terminating"
    return {"error": "error", "warning": "pending"}.get(severity(diagnose(obj)) or "", "ok")


class View:
    """One kind in a table. Subclasses set `resource` and `columns` and say the role of a row."""

    resource: Resource
    columns: tuple[ViewColumn, ...]
    stretch: str = "Name"
    """The column that takes the room left over where it needs it, and shrinks last."""
    default_sort: tuple[str, bool] = ("Name", False)
    """(column, reverse)."""

    def cells(self, obj: Obj, now: float) -> tuple[str, ...]:
        """The text of every column, those of wide mode too."""
        return tuple(column.cell(obj, now) for column in self.columns)

    def role(self, obj: Obj, now: float) -> str:
        """The colour role of the row: ok, pending, completed, error or terminating."""
        return "ok"

    def is_fault(self, obj: Obj, now: float) -> bool:
        """Whether the row stays when only faults are asked for."""
        return self.role(obj, now) == "error"

    def shown(self, *, wide: bool, namespace: bool) -> tuple[ViewColumn, ...]:
        """The columns to show, the namespace first where several can be seen."""
        first = (NAMESPACE,) if namespace and self.resource.namespaced else ()
        return (*first, *(column for column in self.columns if wide or not column.wide))

    def column(self, name: str) -> ViewColumn | None:
        """By name, in any case."""
        for column in (NAMESPACE, *self.columns):
            if column.name.lower() == name.lower():
                return column
        return None
