"""A field with a few fixed values, side by side; space, left and right change it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import RenderResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class Choice(Widget, can_focus=True):
    """`value` is the chosen text."""

    DEFAULT_CSS = """
    Choice { width: 1fr; height: 1; padding: 0 1; background: $panel; }
    Choice:focus { background: $primary 25%; }
    """
    BINDINGS = [  # noqa: RUF012
        Binding("right,space", "step(1)", show=False),
        Binding("left", "step(-1)", show=False),
    ]

    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, choice: Choice, value: str) -> None:
            super().__init__()
            self.choice, self.value = choice, value

    def __init__(self, choices: Sequence[str], value: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices = list(choices)
        self.set_reactive(Choice.value, value if value in self._choices else self._choices[0])

    def action_step(self, by: int) -> None:
        self.value = self._choices[(self._choices.index(self.value) + by) % len(self._choices)]
        self.post_message(self.Changed(self, self.value))

    def on_click(self, event: events.Click) -> None:
        at = 1
        for choice in self._choices:
            if at <= event.x < at + len(choice) + 4:
                self.value = choice
                self.post_message(self.Changed(self, choice))
                return
            at += len(choice) + 4

    def render(self) -> RenderResult:
        parts = [
            (f"◉ {choice}  ", "bold $accent") if choice == self.value else (f"○ {choice}  ", "$role-muted")
            for choice in self._choices
        ]
        return Content.assemble(*parts)
