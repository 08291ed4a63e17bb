"""Any other kind: the columns kubectl prints."""

from __future__ import annotations

from k9lite.api.objects import Obj, is_deleting
from k9lite.api.resources import Column, Resource
from k9lite.tui.views.base import AGE, NAME, CellText, View, ViewColumn

_TITLES = {"Age": AGE, "Name": NAME}


def _text(column: Column) -> CellText:
    def cell(obj: Obj, now: float) -> str:
        try:
            value = column.cell(obj, now)
        except (KeyError, TypeError, ValueError):  # an object that is not as its kind says
            return "-"
        return "-" if value in (None, "") else str(value)

    return cell


def _column(index: int, column: Column) -> ViewColumn:
    numeric = column.type in ("integer", "number")
    return ViewColumn(
        column.name, _text(column), right=numeric, priority=2 + index + 10 * column.priority, wide=column.priority > 0
    )  # fmt: skip


class GenericView(View):
    """Made from a Resource. Without columns of its own: name and age."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        own = tuple(_TITLES.get(column.name) or _column(at, column) for at, column in enumerate(resource.columns))
        self.columns = own or (NAME, AGE)

    def role(self, obj: Obj, now: float) -> str:
        return "terminating" if is_deleting(obj) else "ok"
