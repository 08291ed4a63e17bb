"""A framed live table of one kind: subscription, model, table and title together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, labels_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.tui.feed import Feed, Subscription
from k9lite.tui.filters import FilterError
from k9lite.tui.model import RowModel
from k9lite.tui.views import View, view_for
from k9lite.tui.widgets.resource_table import ResourceTable

Predicate = Callable[[Obj], bool]


@dataclass(frozen=True, slots=True)
class Location:
    """What a table shows. `namespace` "": all. `scope` narrows it to what belongs to `scope_name`."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    filter: str = ""
    scope_name: str = ""
    scope: Predicate | None = field(default=None, compare=False)

    @property
    def crumb(self) -> str:
        return f"{self.resource.plural} of {self.scope_name}" if self.scope_name else self.resource.plural


class Pane(Container):
    """Gathers nothing while paused. The screen calls `flush` several times a second."""

    DEFAULT_CSS = """
    Pane { border: round $panel-lighten-2; border-title-color: $text-muted; border-title-style: bold;
           border-subtitle-color: $text-muted; background: $background; }
    Pane:focus-within { border: round $primary; border-title-color: $primary; }
    Pane.-stale { border: round $error 60%; }
    """

    def __init__(
        self,
        location: Location,
        clock: Callable[[], float],
        *,
        id: str | None = None,
        view: View | None = None,
    ) -> None:
        super().__init__(id=id)
        self.location = location
        self.model = RowModel(view or view_for(location.resource), clock)
        self.table = ResourceTable(self.model)
        self.subscription: Subscription | None = None
        self._linked: tuple[str, Predicate] | None = None
        self._titled: tuple[object, ...] = ()
        self._stale = False
        self._scope_again()
        self.model.set_show_namespace(not location.namespace)
        if location.filter:
            with contextlib.suppress(FilterError):
                self.model.set_filter(location.filter)

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self._title()

    @property
    def resource(self) -> Resource:
        return self.location.resource

    # Data ------------------------------------------------------------------------------------------
    def attach(self, feed: Feed) -> None:
        """Begin to show what the server has; does nothing if it does so already."""
        if self.subscription is None:
            self.subscription = feed.subscribe(self.resource, self.location.namespace or None)

    def detach(self) -> None:
        if self.subscription:
            self.subscription.close()
            self.subscription = None

    def pause(self) -> None:
        if self.subscription:
            self.subscription.pause()

    def resume(self) -> None:
        if self.subscription and not self.subscription.active:
            self.subscription.resume()

    def on_unmount(self) -> None:
        self.detach()

    def flush(self) -> None:
        """Take over what changed and paint it."""
        subscription = self.subscription
        if subscription is not None:
            whole, changes = subscription.drain()
            if whole is not None:
                self.model.replace(whole)
            for kind, obj in changes:
                self.model.apply(kind, obj)
            state = subscription.state
            self._stale = state.synced and not state.connected
            failed = state.error if not state.synced else ""
            self.table.set_state(loading=not state.synced and not failed, stale=self._stale, message=failed)
            self.set_class(self._stale, "-stale")
        self.table.flush()
        self._title()

    def set_namespace(self, namespace: str, feed: Feed | None) -> None:
        """Look into another namespace; "" is all."""
        location = self.location
        self.location = Location(
            location.resource, namespace, location.labels, location.filter, location.scope_name, location.scope
        )
        self.detach()
        self.model.replace(())
        self.model.set_show_namespace(not namespace)
        self.table.set_state(loading=True)
        self.table.flush()  # at once: other columns, and none of the rows that were painted
        if feed:
            self.attach(feed)

    def empty(self) -> None:
        """Forget every row, filters by another cluster's objects included."""
        self.model.replace(())
        self.link("", None)
        self.table.set_state(loading=True)
        self.table.flush()
        self._title()

    # What is shown -----------------------------------------------------------------------------------
    def link(self, name: str, predicate: Predicate | None) -> None:
        """Narrow the table to what belongs to an object selected elsewhere; None: no longer."""
        self._linked = (name, predicate) if predicate else None
        self._scope_again()

    def set_filter(self, text: str) -> str:
        """Returns what is wrong with it, or nothing."""
        try:
            self.model.set_filter(text)
        except FilterError as error:
            return str(error)
        self.flush()
        return ""

    def _scope_again(self) -> None:
        predicates = [self.location.scope] if self.location.scope else []
        if self._linked:
            predicates.append(self._linked[1])
        if self.location.labels:
            with contextlib.suppress(ApiError):
                selector = LabelSelector.parse(self.location.labels)
                predicates.append(lambda obj: selector.matches(labels_of(obj)))
        if not predicates:
            self.model.scope(None)
        elif len(predicates) == 1:
            self.model.scope(predicates[0])
        else:
            self.model.scope(lambda obj: all(predicate(obj) for predicate in predicates))

    def _title(self) -> None:
        model, location = self.model, self.location
        linked = self._linked[0] if self._linked else location.scope_name
        shown, whole = len(model.rows), len(model)
        state = (shown, whole, linked, model.filter_text, model.faults_only, len(model.marks), location)
        if state == self._titled:
            return
        self._titled = state
        parts: list[str | tuple[str, str]] = [
            (f"{self.resource.kind if not self.resource.plural else self.resource.plural.capitalize()} ", "bold"),
            (f"{location.namespace or 'all'} " if self.resource.namespaced else "", "$accent"),
            (f"{shown}" if shown == whole else f"{shown}/{whole}", "bold"),
            (f" of {linked}" if linked else "", "$accent"),
            (f" {location.labels}" if location.labels else "", "$warning"),
            (f" /{model.filter_text}" if model.filter_text else "", "bold $warning"),
            (" faults" if model.faults_only else "", "bold $error"),
            (f" ✓{len(model.marks)}" if model.marks else "", "bold $warning"),
        ]
        self.border_title = Content.assemble(*parts)
