"""A line that says that something is wrong with the connection, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget


class Banner(Widget):
    """Hidden while `text` is empty."""

    DEFAULT_CSS = """
    Banner { height: 1; background: $error; color: $text; display: none; text-style: bold; padding: 0 1; }
    Banner.-visible { display: block; }
    """

    text: reactive[str] = reactive("")
    retry_at: reactive[float | None] = reactive(None)

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock

    def on_mount(self) -> None:
        self.set_interval(0.5, self._tick)

    def show(self, text: str, retry_at: float | None = None) -> None:
        """`retry_at` in seconds since the epoch."""
        self.text, self.retry_at = " ".join(text.split()), retry_at
        self.set_class(bool(text), "-visible")

    def _tick(self) -> None:
        if self.text and self.retry_at is not None:
            self.refresh()

    def render(self) -> RenderResult:
        ending = ""
        if self.retry_at is not None:
            seconds = max(0, round(self.retry_at - self._clock()))
            ending = f"  trying again in {seconds} s" if seconds else "  trying again…"
        room = max(0, self.size.width - len(ending) - 2)
        return Content.assemble("✗ ", Content(self.text).truncate(room, ellipsis=True), ending)
