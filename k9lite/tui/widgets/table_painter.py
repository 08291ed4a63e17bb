"""Lines of a ResourceTable: strips made of styles for roles, and kept while they stay the same."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from k9lite.tui.model import Row, RowModel
from k9lite.tui.views.base import SYMBOLS, ViewColumn
from k9lite.tui.widgets.column_fit import GUTTER, Fitted, clean, pad, shorten, text_width

PARTS = (
    "ok", "pending", "completed", "error", "terminating", "added", "modified", "deleted", "header", "header-sorted",
    "header-cursor", "muted", "cursor", "cursor-blurred", "mark", "stale", "empty",
)  # fmt: skip
"""Component classes, `resource-table--` before each: what themes and style sheets can colour."""

TABLE_CSS = """
ResourceTable {
    height: 1fr;
    overflow-x: hidden;
    overflow-y: auto;
    scrollbar-size-vertical: 1;
    background: $background;
    color: $foreground;
    & > .resource-table--header { color: $role-header; text-style: bold; }
    & > .resource-table--header-sorted { color: $role-sorted; text-style: bold; }
    & > .resource-table--header-cursor { text-style: bold underline; }
    & > .resource-table--muted { color: $role-muted; }
    & > .resource-table--cursor { background: $role-cursor; text-style: bold; }
    & > .resource-table--cursor-blurred { background: $role-cursor-blurred; }
    & > .resource-table--mark { color: $role-marked; text-style: bold; }
    & > .resource-table--stale { color: $role-stale; }
    & > .resource-table--empty { color: $role-muted; }
    & > .resource-table--ok { color: $role-ok; }
    & > .resource-table--pending { color: $role-pending; }
    & > .resource-table--completed { color: $role-completed; }
    & > .resource-table--error { color: $role-error; }
    & > .resource-table--terminating { color: $role-terminating; }
    & > .resource-table--added { color: $role-added; text-style: bold; }
    & > .resource-table--modified { color: $role-modified; text-style: bold; }
    & > .resource-table--deleted { color: $role-deleted; text-style: strike; }
}
"""

_MOST_STRIPS = 2000


class TablePainter:
    """Draws for one widget. `width` is that of the lines in cells, -1 before they are laid out."""

    def __init__(self, widget: Widget) -> None:
        self.width = -1
        self.stale = False
        self.fitted: list[Fitted] = []
        self._widget = widget
        self._strips: dict[str, tuple[tuple[int, str], Strip]] = {}
        self._styles: dict[tuple[str, ...], Style] = {}

    def lay_out(self, fitted: list[Fitted], width: int) -> None:
        self.fitted, self.width = fitted, width
        self._strips.clear()

    def forget(self) -> None:
        """The theme, the focus or the state is another one."""
        self._strips.clear()
        self._styles.clear()

    def row(self, row: Row, cursor: str) -> Strip:
        """`cursor` is the part that lies under the row, empty where the cursor is elsewhere."""
        key = (row.version, cursor)
        kept = self._strips.get(row.uid)
        if kept and kept[0] == key:
            return kept[1]
        if len(self._strips) > _MOST_STRIPS:
            self._strips.clear()
        strip = self._draw(row, cursor)
        self._strips[row.uid] = (key, strip)
        return strip

    def _draw(self, row: Row, cursor: str) -> Strip:
        plain = self.style(cursor)
        segments = [
            Segment("✓" if row.marked else " ", self.style("mark", cursor)),
            Segment(SYMBOLS.get(row.role, "●") + " ", self.style("added" if row.added else row.role, cursor)),
        ]
        for fitted in self.fitted:
            text = pad(row.cells[fitted.index], fitted.column, fitted.width)
            part = "modified" if fitted.index in row.changed else _part(row, fitted.column)
            segments += [Segment(text, self.style(part, cursor)), Segment(" " * fitted.gap, plain)]
        return Strip(segments).adjust_cell_length(self.width, plain)

    def header(self, model: RowModel, column_cursor: int) -> Strip:
        """Titles with an arrow at the sorted one; `column_cursor` is a position in `fitted`, -1 for none."""
        plain = self.style("header")
        segments = [Segment(" " * GUTTER, plain)]
        name, reverse = model.sort
        for position, fitted in enumerate(self.fitted):
            sorts = fitted.column.name == name
            parts = ["header-sorted" if sorts else "header"]
            if position == column_cursor:
                parts.append("header-cursor")
            title = shorten(fitted.column.title + (("↓" if reverse else "↑") if sorts else ""), fitted.width)
            text = Segment(title, self.style(*parts))
            space = Segment(" " * (fitted.width - text_width(title)), plain)
            segments += [space, text] if fitted.column.right else [text, space]
            segments.append(Segment(" " * fitted.gap, plain))
        strip = Strip(segments).adjust_cell_length(self.width, plain)
        return self._with_hidden_count(strip, len(model.columns) - len(self.fitted))

    def _with_hidden_count(self, strip: Strip, hidden: int) -> Strip:
        """`+2` at the right end says that columns did not fit."""
        note = f" +{hidden}"
        end = self.fitted[-1].start + self.fitted[-1].width if self.fitted else 0
        if not hidden or end + len(note) > self.width:
            return strip
        return Strip.join([strip.crop(0, self.width - len(note)), Strip([Segment(note, self.style("muted"))])])

    def centred(self, text: str) -> Strip:
        text = shorten(clean(text), max(1, self.width - 2))
        left = (self.width - text_width(text)) // 2
        strip = Strip([Segment(" " * left, self.style("empty")), Segment(text, self.style("empty"))])
        return strip.adjust_cell_length(self.width, self.style("empty"))

    def blank(self) -> Strip:
        return Strip.blank(self.width, self.style())

    def style(self, *parts: str) -> Style:
        """The widget's own style with those parts laid over it; in a stale table all are grey."""
        made = self._styles.get(parts)
        if made is None:
            made = self._widget.rich_style
            shown = [part for part in parts if part]
            if self.stale:
                shown = ["stale", *(part for part in shown if part.startswith("cursor"))]
            for part in shown:
                made += self._widget.get_component_rich_style(f"resource-table--{part}", partial=True)
            self._styles[parts] = made
        return made


def _part(row: Row, column: ViewColumn) -> str:
    """Only what matters is coloured: the status, and the name of what needs attention."""
    if row.marked and column.style == "name":
        return "mark"
    if row.role in ("completed", "terminating") or column.style == "status":
        return row.role
    if column.style == "name":
        return "added" if row.added else "error" if row.role == "error" else ""
    return "muted" if column.style == "muted" else ""
