"""Asked when the app that started the control plane is left."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class LeaveDialog(ModalScreen[str | None]):
    """Dismissed with leave, stop, pods (stop those too), or None."""

    DEFAULT_CSS = """
    LeaveDialog { align: center middle; background: $background 60%; }
    LeaveDialog > Vertical { width: 72; max-width: 96%; height: auto; background: $surface; border: round $primary;
        border-title-color: $primary; border-title-style: bold; padding: 1 2; }
    LeaveDialog Static { height: auto; margin: 0 0 1 0; }
    LeaveDialog Horizontal { height: auto; align-horizontal: right; }
    LeaveDialog Horizontal > Button { width: auto; min-width: 12; padding: 0 1; margin: 0 1 0 0; background: $panel;
        color: $text-muted; }
    LeaveDialog Horizontal > Button:focus { background: $primary; color: $text; text-style: bold; }
    """
    BINDINGS = [  # noqa: RUF012
        Binding("escape", "dismiss(None)", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
        Binding("q", "dismiss('leave')", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Leave"
            yield Static("This app started the control plane. Pods run on in the first two cases.")
            with Horizontal():
                yield Button("Leave running", id="leave", compact=True)
                yield Button("Stop control plane", id="stop", compact=True)
                yield Button("Stop pods too", id="pods", compact=True)

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#leave"))

    @on(Button.Pressed)
    def _chosen(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id)
