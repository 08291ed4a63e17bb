"""One file per kind: what its table shows. `view_for` finds the view of a resource."""

from __future__ import annotations

from k9lite.api.resources import Resource
from k9lite.tui.views.base import View, ViewColumn
from k9lite.tui.views.deployments import DeploymentsView
from k9lite.tui.views.generic import GenericView
from k9lite.tui.views.pods import PodsView
from k9lite.tui.views.services import ServicesView

VIEWS: tuple[type[View], ...] = (DeploymentsView, PodsView, ServicesView)

__all__ = ["VIEWS", "DeploymentsView", "GenericView", "PodsView", "ServicesView", "View", "ViewColumn", "view_for"]

_BY_KEY = {view.resource.key: view for view in VIEWS}


def view_for(resource: Resource) -> View:
    """The kind's own view, or one made of the columns that kubectl prints."""
    own = _BY_KEY.get(resource.key)
    return own() if own else GenericView(resource)
