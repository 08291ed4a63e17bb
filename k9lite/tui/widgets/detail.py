"""What is to be known about the selected object: why it is not well, and its last events."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

Part = tuple[str, str]
Line = tuple[Part, ...]


class DetailLine(Widget):
    """`lines` are of (text, style). The first takes as many rows as it needs; what has no room is left out."""

    DEFAULT_CSS = """
    DetailLine { height: 1; padding: 0 1; color: $foreground; }
    """

    lines: reactive[tuple[Line, ...]] = reactive(())

    def render(self) -> RenderResult:
        width, height = self.content_size
        if not self.lines or width < 1:
            return Content("")
        first, *others = [Content.assemble(*line) for line in self.lines]
        rows = first.wrap(width)
        if len(rows) > height:
            rows[height - 1 :] = [Content(" ").join(rows[height - 1 :])]
        rows += others[: height - len(rows)]
        return Content("\n").join(row.truncate(width, ellipsis=True) for row in rows)
