"""Home: deployments over pods, services beside them; what is selected in the first narrows the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events, on

from k9lite.api.catalog import DEPLOYMENTS, PODS, SERVICES
from k9lite.api.objects import uid_of
from k9lite.api.resources import Resource
from k9lite.tui.links import pods_of, services_of
from k9lite.tui.panes import Location, Pane
from k9lite.tui.screens.host import HostScreen
from k9lite.tui.widgets.resource_table import ResourceTable

HOME = (DEPLOYMENTS, PODS, SERVICES)
BESIDE_CELLS, BESIDE_ROWS = 116, 17


class HomeScreen(HostScreen):
    """Several kinds at once. With deployments among them, moving there scopes pods and services."""

    DEFAULT_CSS = """
    HomeScreen #body { layout: vertical; }
    HomeScreen Pane { height: 1fr; }
    HomeScreen.-low #pane-pods { height: 4fr; }
    HomeScreen.-low #pane-deployments { height: 3fr; }
    HomeScreen.-low #pane-services { height: 3fr; }
    HomeScreen.-beside #body { layout: grid; grid-size: 2 2; grid-columns: 4fr 3fr; grid-rows: 2fr 3fr; }
    HomeScreen.-beside Pane { height: 100%; width: 100%; }
    HomeScreen.-beside #pane-pods { column-span: 2; height: 100%; }
    """

    def __init__(self, namespace: str, clock: Callable[[], float], kinds: Sequence[Resource] = HOME) -> None:
        super().__init__([Pane(Location(kind, namespace), clock, id=f"pane-{kind.plural}") for kind in kinds])
        self._scoped_to: object = None

    @property
    def crumb(self) -> str:
        return "home" if len(self.panes) > 1 else self.pane.location.crumb

    def on_resize(self, event: events.Resize) -> None:
        """Where there is room, services stand beside deployments, and pods below have the whole width."""
        width, height = event.size
        beside = width >= BESIDE_CELLS and height >= BESIDE_ROWS and len(self.panes) == len(HOME)
        if beside != self.has_class("-beside"):
            self.set_class(beside, "-beside")
            _, pods, services = self.panes
            body = self.query_one("#body")
            if beside:
                body.move_child(services, before=pods)
            else:
                body.move_child(services, after=pods)

    @on(ResourceTable.Highlighted)
    def _moved(self, event: ResourceTable.Highlighted) -> None:
        self._link()

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        self._link()

    def flush(self) -> None:
        if self.is_seen:
            self._link()
        super().flush()

    def _link(self) -> None:
        """Narrow pods and services to the selected deployment while the cursor is among deployments."""
        deployments = next((pane for pane in self.panes if pane.resource is DEPLOYMENTS), None)
        if deployments is None:
            return
        chosen = deployments.table.selected if len(deployments.model) else None
        if self.pane is not deployments and self._scoped_to is None:
            return
        if chosen is None or deployments.model.get(uid_of(chosen)) is None:
            chosen = None
        template = chosen["spec"].get("selector") if chosen else None
        state = (uid_of(chosen), str(template)) if chosen else None
        if state == self._scoped_to:
            return
        self._scoped_to = state
        for pane in self.panes:
            if pane.resource is PODS:
                pane.link(chosen["metadata"]["name"] if chosen else "", pods_of(chosen) if chosen else None)
            elif pane.resource is SERVICES:
                pane.link(chosen["metadata"]["name"] if chosen else "", services_of(chosen) if chosen else None)
            pane.flush()
