"""Objects for table tests, and an app that shows one table. Time stands still at NOW."""

from __future__ import annotations

from typing import Any

from textual.app import App, ComposeResult

from k9lite.api.objects import Obj
from k9lite.clock import rfc3339
from k9lite.tui import theming
from k9lite.tui.model import RowModel
from k9lite.tui.views import PodsView
from k9lite.tui.widgets.resource_table import ResourceTable

NOW = 1_700_000_000.0


def pod(number: int, status: str = "Running", *, namespace: str = "default", name: str = "", age: float = 3600, **labels: str) -> Obj:  # fmt: skip
    """A pod with one container that runs, or waits with `status` as its reason."""
    running = status == "Running"
    state: Obj = {"running": {}} if running else {"waiting": {"reason": status}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name or f"web-7d4b9c6f5-{number:05d}",
            "namespace": namespace,
            "uid": f"uid-{number}",
            "creationTimestamp": rfc3339(NOW - age),
            "labels": labels,
        },
        "spec": {"nodeName": "laptop", "containers": [{"name": "c", "image": "nginx:1.27"}]},
        "status": {
            "phase": "Running" if running else "Pending",
            "podIP": f"10.0.0.{number % 250}",
            "containerStatuses": [{"name": "c", "ready": running, "restartCount": 0, "state": state}],
        },
    }


class Moment:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def model_of(*pods: Obj, clock: Moment | None = None) -> RowModel:
    model = RowModel(PodsView(), clock or Moment())
    model.replace(pods)
    return model


def names(model: RowModel) -> list[str]:
    return [row.obj["metadata"]["name"] for row in model.rows]


class TableApp(App[None]):
    """One table, focused; remembers its messages."""

    def __init__(self, model: RowModel, theme: str = theming.DEFAULT_THEME, **state: Any) -> None:
        super().__init__()
        self.table = ResourceTable(model)
        self.highlighted: list[str] = []
        self.activated: list[str] = []
        self._state = state
        self._wanted_theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theming.role_defaults()

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.animation_level = "none"
        theming.install(self)
        self.theme = self._wanted_theme
        self.table.set_state(**self._state)
        self.table.flush()
        self.table.focus()

    def on_resource_table_highlighted(self, message: ResourceTable.Highlighted) -> None:
        self.highlighted.append(message.obj["metadata"]["name"] if message.obj else "")

    def on_resource_table_activated(self, message: ResourceTable.Activated) -> None:
        self.activated.append(message.obj["metadata"]["name"] if message.obj else "")

    def line(self, y: int) -> str:
        """What the line shows now."""
        return self.table.render_line(y).text.rstrip()
