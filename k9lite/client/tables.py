"""Rows instead of objects: what the server's Table says of a kind that k9lite has no columns for.

A row is kept as its metadata with the printed cells beside it, and nothing else: a cluster's custom resources may be
large, and a table shows a few words of each. `with_columns` gives the kind columns that read those cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from k9lite.api.objects import Obj
from k9lite.api.resources import Column, Resource
from k9lite.client.rest import TABLE, KubeClient

CELLS = "cells"
"""The key under which a row's object holds its cells."""


def is_tabular(resource: Resource) -> bool:
    """Whether the kind's objects are kept as rows."""
    return any(isinstance(column.cell, _Cell) for column in resource.columns)


async def with_columns(client: KubeClient, resource: Resource) -> Resource:
    """The resource with the columns that the server prints; as it is where it has columns, or none are told."""
    if resource.columns or "list" not in resource.verbs:
        return resource
    table = await client.request("GET", resource.path(), params={"limit": 1}, accept=TABLE)
    definitions = table.get("columnDefinitions") if isinstance(table, dict) else None
    if not definitions:
        return resource
    return replace(resource, columns=tuple(_column(at, each) for at, each in enumerate(definitions)))


def _column(at: int, definition: dict[str, Any]) -> Column:
    return Column(
        name=str(definition.get("name") or ""),
        cell=_Cell(at),
        type=str(definition.get("type") or "string"),
        format=str(definition.get("format") or ""),
        priority=int(definition.get("priority") or 0),
        description=str(definition.get("description") or ""),
    )


@dataclass(frozen=True, slots=True)
class _Cell:
    """One of the cells that came with a row."""

    at: int

    def __call__(self, obj: Obj, _: float) -> Any:
        cells = obj.get(CELLS) or []
        return cells[self.at] if self.at < len(cells) else None


def rows_of(table: Obj, resource: Resource) -> Iterator[Obj]:
    """The rows of a Table as objects: metadata and cells."""
    for row in table.get("rows") or []:
        metadata = (row.get("object") or {}).get("metadata") or {}
        metadata.pop("managedFields", None)
        yield {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            CELLS: row.get("cells") or [],
        }
