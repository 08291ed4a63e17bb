"""One kind, full-screen."""

from __future__ import annotations

from collections.abc import Callable

from k9lite.tui.panes import Location, Pane
from k9lite.tui.screens.host import HostScreen


class TableScreen(HostScreen):
    """Any kind: its own view where there is one, else the columns kubectl prints."""

    def __init__(self, location: Location, clock: Callable[[], float]) -> None:
        super().__init__([Pane(location, clock)])
