"""Scrolling text: logs, descriptions, YAML. Draws only the lines that are seen.

`LogBuffer` numbers lines for ever, so while lines leave the front, what is on the screen stays where it is.
With wrapping, `_tops` holds the screen row at which each line starts; without, lines and rows are the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from k9lite.tui.log_buffer import Line, LogBuffer

Span = tuple[str, str]
"""(text, component class or "" for plain)."""
Layout = Callable[[Line], list[Span]]


class LineView(ScrollView, can_focus=True):
    """`layout` turns a line into spans; `follow` keeps the newest line in sight."""

    COMPONENT_CLASSES = {  # noqa: RUF012
        "line-view--match",
        "line-view--current",
        "line-view--muted",
        "line-view--key",
        "line-view--value",
        "line-view--title",
        "line-view--error",
        "line-view--warning",
        *(f"line-view--source-{number}" for number in range(6)),
    }
    DEFAULT_CSS = """
    LineView { background: $surface; color: $foreground; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    LineView > .line-view--match { background: $warning 60%; color: $text; }
    LineView > .line-view--current { background: $warning; color: $text; text-style: bold; }
    LineView > .line-view--muted { color: $role-muted; }
    LineView > .line-view--key { color: $accent; }
    LineView > .line-view--value { color: $success; }
    LineView > .line-view--title { color: $primary; text-style: bold; }
    LineView > .line-view--error { color: $error; }
    LineView > .line-view--warning { color: $warning; }
    LineView > .line-view--source-0 { color: $primary; }
    LineView > .line-view--source-1 { color: $success; }
    LineView > .line-view--source-2 { color: $warning; }
    LineView > .line-view--source-3 { color: $accent; }
    LineView > .line-view--source-4 { color: $secondary; }
    LineView > .line-view--source-5 { color: $error; }
    """

    wrap: reactive[bool] = reactive(False, init=False)
    follow: reactive[bool] = reactive(False, init=False)

    class FollowChanged(Message):
        """Following stopped or began again."""

        def __init__(self, follow: bool) -> None:
            super().__init__()
            self.follow = follow

    def __init__(self, layout: Layout, buffer: LogBuffer | None = None, *, follow: bool = False) -> None:
        super().__init__()
        self.buffer = buffer or LogBuffer()
        self._layout = layout
        self._tops: list[int] = []
        self._base = 0
        self._origin = 0
        """Row of the first kept line, in rows counted since the beginning (with wrapping)."""
        self._rows = 0
        self._widest = 0
        self._known_first = 0
        self.pattern: re.Pattern[str] | None = None
        self.current: int | None = None
        self._moving = False
        self.set_reactive(LineView.follow, follow)

    # Content ---------------------------------------------------------------------------------------
    def append(self, lines: Iterable[Line]) -> None:
        """Add lines, and keep the view where it is (or at the end, while following)."""
        start = self.buffer.end
        self.buffer.extend(lines)
        dropped_rows = self._drop()
        self._measure(max(start, self.buffer.first))
        self._resize_content()
        self._moving = True
        if self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        elif dropped_rows:
            self.scroll_to(y=max(0, self.scroll_y - dropped_rows), animate=False, immediate=True)
        self._moving = False
        self.refresh()

    def replace(self, lines: Iterable[Line]) -> None:
        """Show other lines at the same place."""
        at = self.scroll_y
        self.buffer = LogBuffer(self.buffer.max_bytes)
        self.buffer.extend(lines)
        self.measure_again()
        self.scroll_to(y=at, animate=False, immediate=True)

    def _drop(self) -> int:
        """Forget the places of lines that left. Returns how many rows they took."""
        gone = self.buffer.first - self._known_first
        if gone <= 0:
            return 0
        self._known_first = self.buffer.first
        if not self.wrap:
            return gone
        before = self._origin
        self._base += gone
        self._origin = self._tops[self._base] if self._base < len(self._tops) else self._rows
        if self._base > 10_000:
            del self._tops[: self._base]
            self._base = 0
        return self._origin - before

    def _measure(self, start: int) -> None:
        for number in range(start, self.buffer.end):
            width = sum(cell_len(text) for text, _ in self._layout(self.buffer[number]))
            self._widest = max(self._widest, width)
            if self.wrap:
                self._tops.append(self._rows)
                self._rows += max(1, -(-width // max(1, self._wrap_width)))

    def measure_again(self) -> None:
        """After a change of width, wrapping or layout."""
        self._tops, self._base, self._origin, self._rows, self._widest = [], 0, 0, 0, 0
        self._known_first = self.buffer.first
        self._measure(self.buffer.first)
        self._resize_content()
        self.refresh()

    @property
    def _wrap_width(self) -> int:
        return max(10, self.scrollable_content_region.width)

    def _resize_content(self) -> None:
        height = self._rows - self._origin if self.wrap else len(self.buffer)
        self.virtual_size = Size(0 if self.wrap else self._widest, height)

    def on_resize(self) -> None:
        if self.wrap:
            self.measure_again()
        if self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    def watch_wrap(self) -> None:
        top = self.line_at(int(self.scroll_y))
        self.measure_again()
        if self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        elif top is not None:
            self.scroll_to(x=0, y=self.row_of(top), animate=False, immediate=True)

    # Places ----------------------------------------------------------------------------------------
    def line_at(self, row: int) -> int | None:
        """The number of the line on a row of the content."""
        if not self.wrap:
            number = self.buffer.first + row
        else:
            at = bisect_right(self._tops, row + self._origin, lo=self._base) - 1
            number = self.buffer.first + at - self._base
        return number if self.buffer.first <= number < self.buffer.end else None

    def row_of(self, number: int) -> int:
        offset = number - self.buffer.first
        return self._tops[self._base + offset] - self._origin if self.wrap else offset

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._moving:
            return
        at_end = new_value >= self.max_scroll_y
        if new_value < old_value and self.follow and not at_end:
            self.follow = False

    def watch_follow(self, follow: bool) -> None:
        if follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.post_message(self.FollowChanged(follow))

    # Matches ---------------------------------------------------------------------------------------
    def highlight(self, text: str) -> int:
        """Highlight a regular expression (as plain text where it is none). Returns how many lines match."""
        self.current = None
        if not text:
            self.pattern = None
            self.refresh()
            return 0
        try:
            self.pattern = re.compile(text, re.IGNORECASE)
        except re.error:
            self.pattern = re.compile(re.escape(text), re.IGNORECASE)
        self.refresh()
        return sum(1 for _, line in self.buffer if self.pattern.search(line))

    def go_to_match(self, step: int) -> bool:
        """Move to the next (1) or previous (-1) line with a match."""
        if self.pattern is None or not len(self.buffer):
            return False
        top = self.line_at(int(self.scroll_y))
        begin = top if top is not None else self.buffer.first
        start = self.current + step if self.current is not None and self.current >= self.buffer.first else begin
        found = self.buffer.find(self.pattern, start, step)
        if found is None:
            return False
        self.current = found
        self.follow = False
        middle = max(0, self.row_of(found) - self.scrollable_content_region.height // 2)
        self.scroll_to(y=middle, animate=False, immediate=True)
        self.refresh()
        return True

    # Drawing ---------------------------------------------------------------------------------------
    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        scroll_x, scroll_y = self.scroll_offset
        number = self.line_at(scroll_y + y)
        base = self.rich_style
        if number is None:
            return Strip.blank(width, base)
        segments = self._segments(number, base)
        if not self.wrap:
            return Strip(segments).crop_extend(scroll_x, scroll_x + width, base)
        part = scroll_y + y - self.row_of(number)
        return Strip(segments).crop_extend(part * self._wrap_width, (part + 1) * self._wrap_width, base)

    def _segments(self, number: int, base: Style) -> list[Segment]:
        spans = self._layout(self.buffer[number])
        segments: list[Segment] = []
        for text, name in spans:
            style = base + self.get_component_rich_style(f"line-view--{name}", partial=True) if name else base
            segments += self._matched(text, style, number) if self.pattern else [Segment(text, style)]
        return segments

    def _matched(self, text: str, style: Style, number: int) -> list[Segment]:
        assert self.pattern is not None
        name = "line-view--current" if number == self.current else "line-view--match"
        marked = style + self.get_component_rich_style(name, partial=True)
        segments: list[Segment] = []
        end = 0
        for match in self.pattern.finditer(text):
            if match.end() == match.start():
                continue
            segments += [Segment(text[end : match.start()], style), Segment(match.group(), marked)]
            end = match.end()
        return [*segments, Segment(text[end:], style)]
