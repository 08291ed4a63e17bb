"""A table of objects, drawn line by line.

Lines are `Strip`s kept per row until the row's version, the columns or the theme change, so that a flush
paints only what looks different. Between flushes the table holds on to the rows it painted, so that a key
acts on what was seen when it was pressed. The cursor and the marks belong to objects (uid), not to positions.
Line 0 is the header and stays; row n is line n + 1 of the virtual size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from k9lite.api.objects import Obj
from k9lite.tui import actions
from k9lite.tui.model import Row, RowModel
from k9lite.tui.widgets.column_fit import Widths, fit
from k9lite.tui.widgets.table_painter import PARTS, TABLE_CSS, TablePainter

_TICK_SECONDS = 1.0


class ResourceTable(ScrollView, can_focus=True):
    """Shows a RowModel. The screen calls `flush` several times a second."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"resource-table--{part}" for part in PARTS}
    DEFAULT_CSS = TABLE_CSS
    BINDINGS: ClassVar[list[BindingType]] = list(actions.table_bindings())

    class _About(Message):
        """Something about one object of a table."""

        def __init__(self, table: ResourceTable, obj: Obj | None) -> None:
            super().__init__()
            self.table = table
            self.obj = obj

        @property
        def control(self) -> ResourceTable:
            return self.table

    class Highlighted(_About):
        """The cursor is on another object; None: there are no rows."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ResourceTable.Highlighted) and message.table is self.table

    class Activated(_About):
        """Enter, or a double click."""

    def __init__(
        self, model: RowModel, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.model = model
        self._index = 0
        self._selected: Obj | None = None
        self._selected_uid = ""
        self._anchor_uid = ""
        self._column_cursor = -1
        self._order = self._layout = -1
        self._ticked = 0.0
        self._loading = True
        self._message = ""
        self._widths = Widths(model.columns, model.sort[0])
        self._rows: Sequence[Row] = ()
        self._painted: list[str] = []
        self._width_for: tuple[Size, bool] | None = None
        self._width = 0
        self._painter = TablePainter(self)

    # What the screen uses ------------------------------------------------------------------------
    @property
    def selected(self) -> Obj | None:
        """The object under the cursor, as it was painted if it is gone since."""
        return self.model.get(self._selected_uid) or self._selected

    def targets(self) -> list[Obj]:
        """What an action is for: the marked objects, those that a filter hides too, else the selected one."""
        marked = self.model.marked
        if marked:
            return marked
        return [self.selected] if self.selected else []

    def set_model(self, model: RowModel) -> None:
        """Show another model; the cursor goes to its first row."""
        self.model = model
        self._order = self._layout = -1
        self._index, self._selected, self._selected_uid, self._anchor_uid = 0, None, "", ""
        self._column_cursor = -1
        self._painted = []
        self.scroll_to(y=0, animate=False)
        self.flush()

    def set_state(self, *, loading: bool = False, stale: bool = False, message: str = "") -> None:
        """loading: rows are on their way; stale: connection lost, rows greyed; message: what an empty table says."""
        if (loading, stale, message) == (self._loading, self._painter.stale, self._message):
            return
        self._loading, self._painter.stale, self._message = loading, stale, message
        self._painter.forget()
        self.refresh()

    def select(self, uid: str) -> bool:
        """Move the cursor to an object; False where no visible row shows it."""
        index = self._index_of(uid)
        if index is not None:
            self._move_to(index)
        return index is not None

    def flush(self) -> None:
        """Paint what changed since the last call: at most the visible rows, nothing if none of them did."""
        model = self.model
        now = model.clock()
        if not 0 <= now - self._ticked < _TICK_SECONDS:
            self._ticked = now
            model.tick(self._window())
        self._rows = model.rows
        dirty = model.take_dirty()
        if model.layout != self._layout:
            self._layout = model.layout
            self._widths = Widths(model.columns, model.sort[0])
            self._painter.width = -1
            self.refresh()
        if model.order != self._order:
            self._follow_order(dirty)
        elif dirty and self._rows:
            self._refresh_rows(dirty)

    # Geometry ------------------------------------------------------------------------------------
    @property
    def page(self) -> int:
        """Rows that fit below the header."""
        return max(1, self.size.height - 1)

    @property
    def line_width(self) -> int:
        """Cells of a line, without the scroll bar."""
        depends = (self.size, self.show_vertical_scrollbar)
        if depends != self._width_for:  # asked for each line, and not cheap
            self._width_for = depends
            self._width = self.scrollable_content_region.width
        return self._width

    def _window(self) -> list[Row]:
        first = self.scroll_offset.y
        return list(self._rows[first : first + self.page])

    def _refresh_rows(self, dirty: set[str]) -> None:
        first = self.scroll_offset.y
        changed = [(index, row) for index, row in enumerate(self._window(), first) if row.uid in dirty]
        if self._measure([row for _, row in changed]):
            self.refresh()
            return
        for index, _ in changed:
            self.refresh_line(index + 1)

    def _follow_order(self, dirty: set[str]) -> None:
        """Rows came, went or moved: the cursor stays on its object, and the object on its line."""
        rows = self._rows
        self._order = self.model.order
        before = self._index
        index = self._index_of(self._selected_uid)
        if index is None or (self._loading and before == 0):
            index = min(before, max(0, len(rows) - 1))
        self._resize_content(len(rows))
        if self.scroll_offset.y and index != before:
            self.scroll_to(y=max(0, self.scroll_offset.y + index - before), animate=False)
        self._put_cursor(index)
        self._refresh_moved(dirty)

    def _resize_content(self, rows: int) -> None:
        size = Size(0, rows + 1)
        if size == self.virtual_size:
            return
        if self.styles.is_auto_height or not self.is_mounted:
            self.virtual_size = size
            return
        # Setting the reactive would lay the whole screen out anew, each time a row comes or goes.
        self.set_reactive(Widget.virtual_size, size)
        self._scroll_update(size)

    def _refresh_moved(self, dirty: set[str]) -> None:
        """Paint the lines that show another row than at the last flush, or one that looks different."""
        before, window = self._painted, self._window()
        self._painted = [row.uid for row in window]
        grown = self._measure([row for row in window if row.uid in dirty or not row.cells])
        if grown or not before or not window:
            self.refresh()
            return
        top = self.scroll_offset.y
        for line in range(max(len(before), len(window))):
            now = self._painted[line] if line < len(window) else ""
            was = before[line] if line < len(before) else ""
            if now != was or now in dirty:
                self.refresh_line(top + line + 1)

    def _index_of(self, uid: str) -> int | None:
        rows = self._rows
        if self._index < len(rows) and rows[self._index].uid == uid:
            return self._index
        return next((index for index, row in enumerate(rows) if row.uid == uid), None)

    def _put_cursor(self, index: int) -> None:
        rows = self._rows
        if index != self._index:
            self.refresh_line(self._index + 1)
            self.refresh_line(index + 1)
        self._index = index
        row = rows[index] if index < len(rows) else None
        uid = row.uid if row else ""
        self._selected = row.obj if row else None
        if uid != self._selected_uid:
            self._selected_uid = uid
            self.post_message(self.Highlighted(self, self._selected))

    def _move_to(self, index: int) -> None:
        if not self._rows:
            return
        index = max(0, min(index, len(self._rows) - 1))
        self._put_cursor(index)
        top = self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False)
        elif index >= top + self.page:
            self.scroll_to(y=index - self.page + 1, animate=False)

    def _measure(self, rows: list[Row]) -> bool:
        """Grow columns to what these rows need; whether any grew."""
        grown = self._widths.grow([self.model.look_at(row).cells for row in rows])
        if grown:
            self._painter.width = -1
        return grown

    # Drawing -------------------------------------------------------------------------------------
    def render_line(self, y: int) -> Strip:
        width = self.line_width
        if y == 0 or self._painter.width != width:
            self._prepare()
        if y == 0:
            return self._painter.header(self.model, self._column_cursor)
        rows = self._rows
        index = self.scroll_offset.y + y - 1
        if index < len(rows):
            cursor = "" if index != self._index else "cursor" if self.has_focus else "cursor-blurred"
            return self._painter.row(self.model.look_at(rows[index]), cursor)
        if not rows and y == max(1, self.size.height // 2):
            return self._painter.centred(self._nothing())
        return self._painter.blank()

    def _prepare(self) -> None:
        """Columns for the rows about to be painted."""
        grown = self._measure(self._window())
        if grown or self._painter.width != self.line_width:
            fitted = fit(self.model.columns, self._widths.wanted, self.line_width, self.model.view.stretch)
            self._painter.lay_out(fitted, self.line_width)
            if grown:
                self.refresh()  # the other lines too: this may be the painting of a few

    def _nothing(self) -> str:
        """What an empty table says."""
        model = self.model
        plural = model.view.resource.plural
        if self._message:
            return self._message
        if self._loading:
            return f"Loading {plural}…"
        if model.filter_text:
            return f"None of {len(model)} {plural} matches /{model.filter_text}"
        if model.faults_only and len(model):
            return f"No faults in {len(model)} {plural}"
        return f"No {plural}"

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painter.forget()

    # Keys and mouse --------------------------------------------------------------------------------
    def action_cursor_down(self) -> None:
        self._move_to(self._index + 1)

    def action_cursor_up(self) -> None:
        self._move_to(self._index - 1)

    def action_page_down(self) -> None:
        self._move_to(self._index + self.page)

    def action_page_up(self) -> None:
        self._move_to(self._index - self.page)

    def action_first(self) -> None:
        self._move_to(0)

    def action_last(self) -> None:
        self._move_to(len(self._rows) - 1)

    def action_activate(self) -> None:
        if self.selected:
            self.post_message(self.Activated(self, self.selected))

    def action_mark(self) -> None:
        self.model.toggle_mark(self._selected_uid)
        self._anchor_uid = self._selected_uid
        self._move_to(self._index + 1)
        self.flush()

    def action_mark_range(self) -> None:
        """Mark all from the last marked row to the cursor."""
        anchor = self._index_of(self._anchor_uid)
        first, last = sorted((self._index if anchor is None else anchor, self._index))
        for row in self._rows[first : last + 1]:
            self.model.set_mark(row.uid, True)
        self._anchor_uid = self._selected_uid
        self.flush()

    def action_clear_marks(self) -> None:
        self.model.clear_marks()
        self.flush()

    def action_sort(self, column: str) -> None:
        """Sort by a column; once more turns the order round. A view without a status sorts by Ready or Type."""
        known = {shown.name.lower(): shown.name for shown in self.model.columns}
        if "status" not in known:
            known["status"] = next((shown.name for shown in self.model.columns if shown.style == "status"), "")
        name = known.get(column.lower())
        if not name:
            return
        current, reverse = self.model.sort
        self.model.set_sort(name, current == name and not reverse)
        self.flush()

    def action_sort_column(self) -> None:
        if 0 <= self._column_cursor < len(self._painter.fitted):
            self.action_sort(self._painter.fitted[self._column_cursor].column.name)

    def action_column_left(self) -> None:
        self._move_column(-1)

    def action_column_right(self) -> None:
        self._move_column(1)

    def _move_column(self, by: int) -> None:
        if self._column_cursor < 0:
            names = [column.column.name for column in self._painter.fitted]
            self._column_cursor = names.index(self.model.sort[0]) if self.model.sort[0] in names else 0
        self._column_cursor = max(0, min(self._column_cursor + by, len(self._painter.fitted) - 1))
        self.refresh_line(self.scroll_offset.y)

    def action_wide(self) -> None:
        self.model.set_wide(not self.model.wide)
        self.flush()

    def action_faults(self) -> None:
        self.model.set_faults_only(not self.model.faults_only)
        self.flush()

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is None:
            return
        if at.y == 0:
            self._click_header(at.x)
            return
        index = self.scroll_offset.y + at.y - 1
        if index >= len(self._rows):
            return
        self._move_to(index)
        if event.ctrl:
            self.model.toggle_mark(self._selected_uid)
            self.flush()
        elif event.chain == 2:
            self.action_activate()

    def _click_header(self, x: int) -> None:
        for column in self._painter.fitted:
            if column.start <= x < column.start + column.width + column.gap:
                self.action_sort(column.column.name)
                return
