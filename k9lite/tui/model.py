"""The rows of a table, apart from the screen: objects by uid, ordered, filtered, marked.

    watch events -> apply() -> changed rows in `dirty` -> the table asks 4-10 times a second, paints what is visible

An event costs one sort key, and cells only for rows that were looked at before (or that a filter has to read).
The order is made again only when a row came, went, or has another sort key. What changes with time alone
(ages) is refreshed for visible rows by `tick`, and never counts as a change of the object.
"""

from __future__ import annotations

import csv
import io
import itertools
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from k9lite.api.objects import Obj, name_of, namespace_of, uid_of
from k9lite.clock import parse_rfc3339
from k9lite.tui.filters import Matcher, parse_filter
from k9lite.tui.views.base import View, ViewColumn, created, natural

FLASH_SECONDS = 2.5
"""How long a change stays highlighted: long enough to be seen, gone before it becomes noise."""
FRESH_SECONDS = 10
"""An object created this long ago at most is highlighted as new when it comes."""

Scope = Callable[[Obj], bool]


@dataclass(slots=True, eq=False)
class Row:
    """One object. `cells` are those of the model's columns, empty until somebody looks."""

    uid: str
    obj: Obj
    place: tuple[str, str, str]
    version: int
    """Another one means that the row looks different."""
    key: Any = None
    cells: tuple[str, ...] = ()
    role: str = ""
    shown: bool = True
    changed: frozenset[int] = field(default_factory=frozenset)
    """Columns highlighted because they changed."""
    added: bool = False
    marked: bool = False


def _place(obj: Obj) -> tuple[str, str, str]:
    return (namespace_of(obj), name_of(obj), uid_of(obj))


_place_of: Callable[[Row], tuple[str, str, str]] = attrgetter("place")
_key_of: Callable[[Row], Any] = attrgetter("key")


def _is_fresh(obj: Obj, now: float) -> bool:
    try:
        return now - parse_rfc3339(created(obj)) < FRESH_SECONDS
    except ValueError:
        return False


class RowModel:
    """`clock` gives seconds since the epoch."""

    def __init__(self, view: View, clock: Callable[[], float]) -> None:
        self.view = view
        self.order = 0
        """Grows when rows come, go or move."""
        self.layout = 0
        """Grows when the columns change."""
        self.filter_text = ""
        self.faults_only = False
        self.wide = False
        self.show_namespace = True
        self.clock = clock
        self._versions = itertools.count(1)
        self._by_uid: dict[str, Row] = {}
        self._base: list[Row] = []
        self._rows: list[Row] = []
        self._stale = False
        self._dirty: set[str] = set()
        self._flashes: dict[str, float] = {}
        self._marks: dict[str, None] = {}
        self._scope: Scope | None = None
        self._matcher: Matcher | None = None
        self.columns: tuple[ViewColumn, ...] = view.shown(wide=False, namespace=True)
        self.sort: tuple[str, bool] = view.default_sort
        self._sort_key = self._key_function()

    # Objects -------------------------------------------------------------------------------------
    def replace(self, objs: Iterable[Obj]) -> None:
        """Make these the objects. Rows of objects that stay keep their marks."""
        fresh = {uid_of(obj): obj for obj in objs}
        for uid in [uid for uid in self._by_uid if uid not in fresh]:
            self._forget(uid)
        many = len(fresh) > 2 * len(self._by_uid)
        for uid, obj in fresh.items():
            row = self._by_uid.get(uid)
            if row:
                self._change(row, obj)
            else:
                self._add(uid, obj, sort=not many)
        if many:
            self._base.sort(key=_place_of)

    def apply(self, type: str, obj: Obj) -> None:
        """One watch event: ADDED, MODIFIED or DELETED."""
        uid = uid_of(obj)
        row = self._by_uid.get(uid)
        if type == "DELETED":
            if row:
                self._forget(uid)
        elif row:
            self._change(row, obj)
        else:
            self._add(uid, obj)

    def get(self, uid: str) -> Obj | None:
        row = self._by_uid.get(uid)
        return row.obj if row else None

    def row(self, uid: str) -> Row | None:
        return self._by_uid.get(uid)

    def __len__(self) -> int:
        """All objects, hidden ones too."""
        return len(self._by_uid)

    @property
    def rows(self) -> Sequence[Row]:
        """The visible rows in order. The list stays the same one until `order` grows."""
        self._settle()
        return self._rows

    def _add(self, uid: str, obj: Obj, *, sort: bool = True) -> None:
        row = Row(uid, obj, _place(obj), next(self._versions), key=self._sort_key(obj))
        self._by_uid[uid] = row
        if sort:
            insort(self._base, row, key=_place_of)
        else:
            self._base.append(row)
        row.shown = self._is_shown(row)
        now = self.clock()
        row.added = _is_fresh(obj, now)
        if row.added:
            self._flashes[uid] = now + FLASH_SECONDS
        self._stale = self._stale or row.shown
        self._dirty.add(uid)

    def _forget(self, uid: str) -> None:
        row = self._by_uid.pop(uid)
        del self._base[bisect_left(self._base, row.place, key=_place_of)]
        self._marks.pop(uid, None)
        self._flashes.pop(uid, None)
        self._dirty.discard(uid)
        self._stale = self._stale or row.shown

    def _change(self, row: Row, obj: Obj) -> None:
        if obj is row.obj:
            return
        row.obj = obj
        place = _place(obj)
        if place != row.place:
            del self._base[bisect_left(self._base, row.place, key=_place_of)]
            row.place = place
            insort(self._base, row, key=_place_of)
            self._stale = True
        if row.cells:
            self._recompute(row)
        key = self._sort_key(obj)
        if key != row.key:
            row.key = key
            self._stale = True
        shown = self._is_shown(row)
        if shown != row.shown:
            row.shown = shown
            self._stale = True

    def _recompute(self, row: Row) -> None:
        """The cells of a changed object, with the changed ones highlighted."""
        before, role = row.cells, row.role
        now = self.clock()
        row.cells = self._cells(row.obj, now)
        row.role = self.view.role(row.obj, now) if role and row.shown else ""
        changed = frozenset(
            index
            for index, (old, new) in enumerate(zip(before, row.cells, strict=True))
            if old != new and not self.columns[index].clock
        )
        if changed:
            row.changed |= changed
            self._flashes[row.uid] = self.clock() + FLASH_SECONDS
        if row.cells != before or row.role != role:
            self._touch(row)

    def _cells(self, obj: Obj, now: float) -> tuple[str, ...]:
        return tuple([column.cell(obj, now) for column in self.columns])

    def _touch(self, row: Row) -> None:
        row.version = next(self._versions)
        self._dirty.add(row.uid)

    # What is seen --------------------------------------------------------------------------------
    def look_at(self, row: Row) -> Row:
        """The row with its cells and role filled in."""
        if not row.cells:
            row.cells = self._cells(row.obj, self.clock())
        if not row.role:
            row.role = self.view.role(row.obj, self.clock())
        return row

    def tick(self, rows: Iterable[Row]) -> None:
        """Bring what depends on time up to date in these rows."""
        now = self.clock()
        clocked = [(index, column) for index, column in enumerate(self.columns) if column.clock]
        for row in rows:
            if not row.cells or not row.role or self._by_uid.get(row.uid) is not row:  # gone since it was painted
                continue
            cells = list(row.cells)
            for index, column in clocked:
                cells[index] = column.cell(row.obj, now)
            fresh, role = tuple(cells), self.view.role(row.obj, now)
            if fresh != row.cells or role != row.role:
                row.cells, row.role = fresh, role
                self._touch(row)

    def take_dirty(self) -> set[str]:
        """uids of rows that look different since the last call; ends highlights that are over."""
        now = self.clock()
        for uid in [uid for uid, until in self._flashes.items() if until <= now]:
            del self._flashes[uid]
            row = self._by_uid[uid]
            row.changed, row.added = frozenset(), False
            self._touch(row)
        taken, self._dirty = self._dirty, set()
        return taken

    # Which rows, in which order --------------------------------------------------------------------
    def set_filter(self, text: str) -> None:
        """See `k9lite.tui.filters`. Raises FilterError, and keeps the filter that was."""
        self._matcher = parse_filter(text)
        self.filter_text = text.removeprefix("/") if self._matcher else ""
        self._select_again()

    def scope(self, predicate: Scope | None) -> None:
        """Show only objects for which the predicate holds: what belongs to a selected object."""
        self._scope = predicate
        self._select_again()

    def set_faults_only(self, on: bool) -> None:
        self.faults_only = on
        self._select_again()

    def set_sort(self, column: str, reverse: bool = False) -> None:
        """Sort by a column, in any case; one the view does not have changes nothing."""
        known = self.view.column(column)
        if known is None:
            return
        self.sort = (known.name, reverse)
        self._sort_key = self._key_function()
        for row in self._base:
            row.key = self._sort_key(row.obj)
        self._stale = True
        self.layout += 1

    def set_wide(self, on: bool) -> None:
        self.wide = on
        self._columns_again()

    def set_show_namespace(self, on: bool) -> None:
        """Off where one namespace is shown: the column would say nothing."""
        self.show_namespace = on
        self._columns_again()

    def _columns_again(self) -> None:
        columns = self.view.shown(wide=self.wide, namespace=self.show_namespace)
        if columns == self.columns:
            return
        self.columns = columns
        self.layout += 1
        for row in self._base:
            row.cells, row.role, row.changed = (), "", frozenset()
            row.version = next(self._versions)
        self._select_again()

    def _key_function(self) -> Callable[[Obj], Any]:
        column = self.view.column(self.sort[0])
        if column is None:
            return lambda obj: ()
        if column.key:
            return column.key
        cell = column.cell
        return lambda obj: natural(cell(obj, 0.0))

    def _is_shown(self, row: Row) -> bool:
        if self._scope and not self._scope(row.obj):
            return False
        if self.faults_only and not self.view.is_fault(row.obj, self.clock()):
            return False
        return self._matcher is None or self._matcher(row.obj, self._filtered_cells(row))

    def _filtered_cells(self, row: Row) -> list[str]:
        """Ages are left out: rows would come and go with the time."""
        if not row.cells:
            row.cells = self._cells(row.obj, self.clock())
        return [cell for cell, column in zip(row.cells, self.columns, strict=True) if not column.clock]

    def _select_again(self) -> None:
        for row in self._base:
            row.shown = self._is_shown(row)
        self._stale = True

    def _settle(self) -> None:
        if not self._stale:
            return
        self._stale = False
        rows = [row for row in self._base if row.shown]
        rows.sort(key=_key_of, reverse=self.sort[1])  # stable: equal keys stay by namespace and name
        if rows != self._rows:
            self._rows = rows
            self.order += 1

    # Marks ---------------------------------------------------------------------------------------
    @property
    def marks(self) -> set[str]:
        """uids, those of rows that a filter hides too."""
        return set(self._marks)

    @property
    def marked(self) -> list[Obj]:
        """The marked objects in the order of their marking, hidden ones too."""
        return [self._by_uid[uid].obj for uid in self._marks]

    def toggle_mark(self, uid: str) -> None:
        self.set_mark(uid, uid not in self._marks)

    def set_mark(self, uid: str, on: bool) -> None:
        row = self._by_uid.get(uid)
        if row is None or row.marked == on:
            return
        row.marked = on
        if on:
            self._marks[uid] = None
        else:
            del self._marks[uid]
        self._touch(row)

    def clear_marks(self) -> None:
        for uid in self.marks:
            self.set_mark(uid, False)

    # Away from the screen --------------------------------------------------------------------------
    def to_csv(self) -> str:
        """The visible rows under a header."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows(self.look_at(row).cells for row in self.rows)
        return out.getvalue()
