"""A screen with live tables: what home and the full tables share.

Keys act on `pane`, the table with the focus; `ObjectActions` holds those that act on its objects.
Only the screen on top gathers and paints; one that is covered is paused and takes over the whole state when it returns.
"""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from k9lite.api.catalog import EVENTS, PODS
from k9lite.api.objects import Obj, uid_of
from k9lite.tui import actions
from k9lite.tui.details import detail_lines
from k9lite.tui.feed import Feed, Subscription
from k9lite.tui.links import pods_of
from k9lite.tui.panes import Pane
from k9lite.tui.screens.object_actions import ObjectActions
from k9lite.tui.widgets.banner import Banner
from k9lite.tui.widgets.detail import DetailLine
from k9lite.tui.widgets.footer import FooterBar
from k9lite.tui.widgets.header import HeaderBar
from k9lite.tui.widgets.prompt import Prompt
from k9lite.tui.widgets.resource_table import ResourceTable

FLUSH_SECONDS = 0.125
DETAIL_EVERY = 4
"""Flushes between two looks at the events of the selected object."""
HAS_PODS = ("Deployment", "ReplicaSet", "Service")


class HostScreen(ObjectActions, Screen[None]):
    """Subclasses compose `panes` into `#body`."""

    BINDINGS = actions.bindings("table")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (116, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (17, "-low"), (30, "-high")]  # noqa: RUF012
    DEFAULT_CSS = """
    HostScreen #body { height: 1fr; }
    HostScreen.-guarded Pane { border: round $error 70%; }
    HostScreen.-guarded Pane:focus-within { border: heavy $error; }
    HostScreen.-high DetailLine { height: 2; }
    HostScreen.-tiny FooterBar { height: 1; }
    HostScreen.-tiny DetailLine { display: none; }
    HostScreen.-tiny Pane { display: none; }
    HostScreen.-tiny Pane.-current { display: block; }
    """

    def __init__(self, panes: list[Pane]) -> None:
        super().__init__()
        self.panes = panes
        self._current = panes[0]
        self._feed: Feed | None = None
        self._events: Subscription | None = None
        self._pods: Subscription | None = None
        self._flushes = 0
        self._detailed: object = None

    @property
    def pane(self) -> Pane:
        """The table that keys act on."""
        return self._current

    @property
    def crumb(self) -> str:
        return self.pane.location.crumb

    def compose(self) -> ComposeResult:
        yield HeaderBar()
        yield Prompt(self.k9.complete, self.k9.histories)
        yield Banner(self.k9.clock)
        with Container(id="body"):
            yield from self.compose_body()
        yield DetailLine()
        yield FooterBar()

    def compose_body(self) -> ComposeResult:
        yield from self.panes

    def on_mount(self) -> None:
        self.set_interval(FLUSH_SECONDS, self.flush)
        self._show_current(self.panes[0])
        self.set_focus(self.panes[0].table)
        self.k9.dress(self)

    # Data ------------------------------------------------------------------------------------------
    def attach(self, feed: Feed) -> None:
        """Connect every table to the server's objects."""
        if self._feed is not feed:
            self._release()
            self._feed = feed
        namespace = self.pane.location.namespace or None
        for pane in self.panes:
            pane.attach(feed)
        if self._events is None:
            self._events = feed.subscribe(EVENTS, namespace)
        if self._pods is None:
            self._pods = feed.subscribe(PODS, namespace)

    def detach(self) -> None:
        for pane in self.panes:
            pane.detach()
        self._release()
        self._feed = None

    def _release(self) -> None:
        for subscription in (self._events, self._pods):
            if subscription:
                subscription.close()
        self._events = self._pods = None

    def on_unmount(self) -> None:
        self.detach()

    def on_screen_resume(self) -> None:
        if self.k9.feed is not None:
            self.attach(self.k9.feed)
        for pane in self.panes:
            pane.resume()
        self.k9.dress(self)
        if self.is_mounted:
            self.flush()

    def on_screen_suspend(self) -> None:
        if not self.is_seen:
            for pane in self.panes:
                pane.pause()

    @property
    def is_seen(self) -> bool:
        """On top, or under dialogs only: then rows go on changing behind them."""
        stack = self.app.screen_stack
        return self in stack and all(screen.is_modal for screen in stack[stack.index(self) + 1 :])

    def flush(self) -> None:
        """Take over what changed, and paint it."""
        if not self.is_seen:
            return
        for pane in self.panes:
            pane.flush()
        self._flushes += 1
        if self._flushes % DETAIL_EVERY == 0:
            self.show_detail()

    def show_detail(self) -> None:
        """Say what is to be known about the selected object."""
        obj = self.pane.table.selected
        events = list(self._events.objects.values()) if self._events else []
        related: list[Obj] = []
        if obj is not None and obj.get("kind") in HAS_PODS and self._pods:
            belongs = pods_of(obj)
            related = [pod for pod in self._pods.objects.values() if belongs(pod)]
        self.query_one(DetailLine).lines = detail_lines(obj, related, events, self.k9.clock())

    # Focus -----------------------------------------------------------------------------------------
    def on_descendant_focus(self) -> None:
        focused = self.focused
        for pane in self.panes:
            if focused is pane.table:
                self._show_current(pane)

    def _show_current(self, pane: Pane) -> None:
        self._current = pane
        for each in self.panes:
            each.set_class(each is pane, "-current")
        self.k9.dress(self)

    def action_next_pane(self, step: int) -> None:
        at = (self.panes.index(self.pane) + step) % len(self.panes)
        self._show_current(self.panes[at])
        self.set_focus(self.panes[at].table)  # at once: the next key is already on its way

    @on(ResourceTable.Highlighted)
    def _highlighted(self, event: ResourceTable.Highlighted) -> None:
        if event.table is self.pane.table:
            self.show_detail()

    @on(ResourceTable.Activated)
    def _activated(self, event: ResourceTable.Activated) -> None:
        if event.obj is not None:
            self.drill_down(event.obj)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        known = actions.by_method("table", action)
        if known is None:
            return True
        return known.works_on(self.pane.resource.key, read_only=self.k9.read_only)

    # Prompt ----------------------------------------------------------------------------------------
    def action_filter(self) -> None:
        self.query_one(Prompt).open("filter", self.pane.model.filter_text)

    @on(Prompt.Changed)
    def _typing(self, event: Prompt.Changed) -> None:
        if event.mode == "filter":
            self.pane.set_filter(event.text)

    @on(Prompt.Submitted)
    def _typed(self, event: Prompt.Submitted) -> None:
        self.set_focus(self.pane.table)
        if event.mode == "command":
            self.k9.run_command(event.text)
            return
        problem = self.pane.set_filter(event.text)
        if problem:
            self.k9.flash(problem, "error")

    @on(Prompt.Cancelled)
    def _untyped(self, event: Prompt.Cancelled) -> None:
        self.set_focus(self.pane.table)
        if event.mode == "filter":
            self.pane.set_filter("")

    # Keys about the table ----------------------------------------------------------------------------
    def action_back(self) -> None:
        if self.pane.model.filter_text:
            self.pane.set_filter("")
        elif self.pane.model.marks:
            self.pane.table.action_clear_marks()
        else:
            self.k9.go_back()

    def action_refresh_rows(self) -> None:
        self.k9.reconnect()

    def action_namespace(self, number: int) -> None:
        self.k9.choose_namespace(number)

    def empty(self) -> None:
        """Forget every row: another cluster is about to be shown."""
        for pane in self.panes:
            pane.empty()

    def set_namespace(self, namespace: str) -> None:
        """Look into another namespace with every table."""
        self._release()
        for pane in self.panes:
            if pane.resource.namespaced:
                pane.set_namespace(namespace, self._feed)
        if self._feed:
            self.attach(self._feed)
        self.k9.dress(self)

    def action_copy_name(self) -> None:
        objs = self.pane.table.targets()
        if objs:
            self.app.copy_to_clipboard("\n".join(str(obj["metadata"]["name"]) for obj in objs))
            self.k9.flash("name copied" if len(objs) == 1 else f"{len(objs)} names copied")

    def action_save(self) -> None:
        location = self.pane.location
        name = "-".join(part for part in (location.resource.plural, location.namespace) if part)
        self.k9.save(f"{name}.csv", self.pane.model.to_csv(), Path.cwd())

    def select(self, obj: Obj) -> bool:
        """Move the cursor of the current table to an object."""
        return self.pane.table.select(uid_of(obj))
