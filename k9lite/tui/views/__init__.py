"""One file per kind: what its table shows. `view_for` finds the view of a resource."""

from __future__ import annotations

from k9lite.api.resources import Resource
from k9lite.tui.views.base import View, ViewColumn
from k9lite.tui.views.deployments import DeploymentsView
from k9lite.tui.views.endpoints import EndpointSlicesView, EndpointsView
from k9lite.tui.views.events import EventsView
from k9lite.tui.views.generic import GenericView
from k9lite.tui.views.namespaces import NamespacesView
from k9lite.tui.views.nodes import NodesView
from k9lite.tui.views.pods import PodsView
from k9lite.tui.views.replicasets import ReplicaSetsView
from k9lite.tui.views.services import ServicesView

VIEWS: tuple[type[View], ...] = (
    DeploymentsView, PodsView, ServicesView, ReplicaSetsView, NodesView, NamespacesView, EventsView, EndpointsView,
    EndpointSlicesView,
)  # fmt: skip

__all__ = [
    "VIEWS", "DeploymentsView", "EndpointSlicesView", "EndpointsView", "EventsView", "GenericView", "NamespacesView",
    "NodesView", "PodsView", "ReplicaSetsView", "ServicesView", "View", "ViewColumn", "view_for",
]  # fmt: skip

_BY_KEY = {view.resource.key: view for view in VIEWS}


def view_for(resource: Resource) -> View:
    """The kind's own view, or one made of the columns that kubectl prints."""
    own = _BY_KEY.get(resource.key)
    return own() if own else GenericView(resource)
