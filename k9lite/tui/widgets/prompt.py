"""The line to type in: commands after `:`, filters and highlights after `/`. Completion is shown inline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

Mode = Literal["command", "filter", "highlight"]
HISTORY = 100
Complete = Callable[[str, list[str]], str | None]
"""(typed so far, earlier lines) -> the whole line it may become."""


class _Completion(Suggester):
    def __init__(self, prompt: Prompt) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._prompt = prompt

    async def get_suggestion(self, value: str) -> str | None:
        return self._prompt.completed(value)


class _Line(Input):
    BINDINGS = [  # noqa: RUF012 - Textual's own declaration is not a ClassVar
        Binding("up", "earlier(-1)", show=False),
        Binding("down", "earlier(1)", show=False),
        Binding("tab", "complete", show=False),
        Binding("escape", "cancel", show=False),
    ]

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(suggester=_Completion(prompt), select_on_focus=False, compact=True)
        self._prompt = prompt

    def action_earlier(self, step: int) -> None:
        self._prompt.recall(step)

    def action_complete(self) -> None:
        completed = self._prompt.completed(self.value)
        if completed:
            self.value = completed
            self.cursor_position = len(completed)

    def action_cancel(self) -> None:
        self._prompt.close(cancelled=True)


class Prompt(Horizontal):
    """Hidden until `open`. Posts Changed while typing, then Submitted or Cancelled."""

    DEFAULT_CSS = """
    Prompt { height: 1; display: none; background: $boost; padding: 0 1; }
    Prompt.-open { display: block; }
    Prompt Static { width: 2; color: $accent; text-style: bold; }
    Prompt Input { width: 1fr; background: transparent; border: none; height: 1; padding: 0; }
    """

    class Changed(Message):
        """The text changed."""

        def __init__(self, mode: Mode, text: str) -> None:
            super().__init__()
            self.mode, self.text = mode, text

    class Submitted(Message):  # no kind of Changed: handlers of that one must not get it too
        """Enter was pressed."""

        def __init__(self, mode: Mode, text: str) -> None:
            super().__init__()
            self.mode, self.text = mode, text

    class Cancelled(Message):
        """Escape was pressed."""

        def __init__(self, mode: Mode) -> None:
            super().__init__()
            self.mode = mode

    def __init__(self, complete: Complete, histories: dict[Mode, list[str]]) -> None:
        super().__init__()
        self.mode: Mode = "command"
        self._complete = complete
        self._histories = histories
        self._place = 0
        self._before: Widget | None = None
        """What had the focus, and gets it back."""

    def compose(self) -> ComposeResult:
        yield Static(":")
        yield _Line(self)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def history(self) -> list[str]:
        return self._histories.setdefault(self.mode, [])

    def open(self, mode: Mode, text: str = "") -> None:
        """Show the line and take the focus."""
        self.mode = mode
        self._place = len(self.history)
        self.query_one(Static).update(":" if mode == "command" else "/")
        line = self.query_one(_Line)
        with self.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        self.add_class("-open")
        self._before = self.screen.focused
        self.screen.set_focus(line)  # at once: the next key is already on its way

    def close(self, *, cancelled: bool = False) -> None:
        self.remove_class("-open")
        if self._before is not None and self._before.is_attached:
            self.screen.set_focus(self._before)
        if cancelled:
            self.post_message(self.Cancelled(self.mode))

    def completed(self, text: str) -> str | None:
        return self._complete(text, self.history) if self.mode == "command" else None

    def recall(self, step: int) -> None:
        """Put an earlier or later line of the history into the prompt."""
        self._place = min(len(self.history), max(0, self._place + step))
        line = self.query_one(_Line)
        line.value = self.history[self._place] if self._place < len(self.history) else ""
        line.cursor_position = len(line.value)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self.post_message(self.Changed(self.mode, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text and (not self.history or self.history[-1] != text):
            self.history.append(text)
            del self.history[:-HISTORY]
        self.close()
        self.post_message(self.Submitted(self.mode, event.value))
