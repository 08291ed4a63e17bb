"""The bottom: crumbs, one flash line, and the keys that work on what has the focus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len
from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

Severity = Literal["info", "warn", "error"]
FLASH_SECONDS = 6.0
_FLASH_STYLES = {"info": "$success", "warn": "$warning", "error": "bold $error"}


class FooterBar(Widget):
    """`keys` are (key, label, action); a click runs the action."""

    DEFAULT_CSS = """
    FooterBar { height: 2; background: $panel; color: $foreground; }
    FooterBar.-short { height: 1; }
    """

    keys: reactive[tuple[tuple[str, str, str], ...]] = reactive(())
    crumbs: reactive[tuple[str, ...]] = reactive(())
    message: reactive[tuple[str, Severity] | None] = reactive(None)
    _timer: Timer | None = None

    def flash(self, text: str, severity: Severity = "info") -> None:
        """Show a line for a few seconds; a newer one replaces it."""
        if self._timer:
            self._timer.stop()
        self.message = (" ".join(text.split()), severity)
        self._timer = self.set_timer(FLASH_SECONDS, self._clear)

    def _clear(self) -> None:
        self.message = None

    def render(self) -> RenderResult:
        width = self.size.width
        if self.size.height < 2:
            return self._message_line(width) if self.message else _keys_line(self.keys, width)
        return Content("\n").join([self._status_line(width), _keys_line(self.keys, width)])

    async def on_click(self, event: events.Click) -> None:
        if event.y != self.size.height - 1:
            return
        for (_, _, action), (start, end) in zip(self.keys, _places(self.keys, self.size.width), strict=False):
            if start <= event.x < end:
                await self.app.run_action(action, self.screen)
                return

    def _status_line(self, width: int) -> Content:
        crumbs = Content.assemble(
            *[
                (f" {crumb} ", "bold $text on $primary" if last else "$role-muted on $surface")
                for position, crumb in enumerate(self.crumbs)
                for last in (position == len(self.crumbs) - 1,)
            ]
        )
        if self.message is None:
            return crumbs
        return Content.assemble(crumbs, "  ", self._message_line(max(0, width - crumbs.cell_length - 2)))

    def _message_line(self, width: int) -> Content:
        text, severity = self.message or ("", "info")
        return Content.styled(text, _FLASH_STYLES[severity]).truncate(width, ellipsis=True)


def _places(keys: Sequence[tuple[str, str, str]], width: int) -> list[tuple[int, int]]:
    """(first cell, cell after the last) of each key that has room."""
    places: list[tuple[int, int]] = []
    start = 0
    for key, label, _ in keys:
        end = start + cell_len(key) + cell_len(label) + 3
        if end > width:
            break
        places.append((start, end))
        start = end
    return places


def _keys_line(keys: Sequence[tuple[str, str, str]], width: int) -> Content:
    """As many keys as there is room for, in the order given."""
    parts: list[str | tuple[str, str]] = []
    for (key, label, _), _ in zip(keys, _places(keys, width), strict=False):
        parts += [" ", (key, "bold $accent"), " ", (label, "$role-muted"), " "]
    return Content.assemble(*parts)
