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

Key = tuple[str, str, str]
"""(key, label, action)."""
LASTING = 2
Severity = Literal["info", "warn", "error"]
FLASH_SECONDS = 6.0
_FLASH_STYLES = {"info": "$success", "warn": "$warning", "error": "bold $error"}


class FooterBar(Widget):
    """`keys` are (key, label, action); a click runs the action."""

    DEFAULT_CSS = """
    FooterBar { height: 2; background: $panel; color: $foreground; }
    FooterBar.-short { height: 1; }
    """

    keys: reactive[tuple[Key, ...]] = reactive(())
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
            return self._message_line(width) if self.message else _keys_line(shown_keys(self.keys, width))
        return Content("\n").join([self._status_line(width), _keys_line(shown_keys(self.keys, width))])

    async def on_click(self, event: events.Click) -> None:
        if event.y != self.size.height - 1:
            return
        start = 0
        for key in shown_keys(self.keys, self.size.width):
            if start <= event.x < start + _cells(key):
                await self.app.run_action(key[2], self.screen)
                return
            start += _cells(key)

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


def _cells(key: Key) -> int:
    return cell_len(key[0]) + cell_len(key[1]) + 3


def shown_keys(keys: Sequence[Key], width: int) -> list[Key]:
    """Those that have room: the last ones (help and quit) always, before them as many as fit."""
    room = width - sum(map(_cells, keys[-LASTING:]))
    shown: list[Key] = []
    for key in keys[:-LASTING]:
        room -= _cells(key)
        if room < 0:
            break
        shown.append(key)
    return [*shown, *keys[-LASTING:]]


def _keys_line(keys: Sequence[Key]) -> Content:
    parts: list[str | tuple[str, str]] = []
    for key, label, _ in keys:
        parts += [" ", (key, "bold $accent"), " ", (label, "$role-muted"), " "]
    return Content.assemble(*parts)
