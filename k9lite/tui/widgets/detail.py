"""What is to be known about the selected object: why it is not well, and its last event."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

Part = tuple[str, str]


class DetailLine(Widget):
    """`parts` are (text, style); they are cut at the right edge."""

    DEFAULT_CSS = """
    DetailLine { height: 1; padding: 0 1; color: $foreground; }
    """

    parts: reactive[tuple[Part, ...]] = reactive(())

    def render(self) -> RenderResult:
        width = max(0, self.size.width - 2)
        return Content.assemble(*self.parts).truncate(width, ellipsis=True)
