"""Server-side printing: objects as a meta.k8s.io/v1 Table, as kubectl asks for."""

from __future__ import annotations

from collections.abc import Iterable

from k9lite.api.objects import Obj, copy_of
from k9lite.api.resources import Resource


def column_definitions(resource: Resource) -> list[Obj]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in resource.columns
    ]


def table(
    resource: Resource,
    objs: Iterable[Obj],
    rv: str,
    now: float,
    include_object: str = "Metadata",
    *,
    columns: bool = True,
) -> Obj:
    """One row for each object. `include_object` is None, Metadata or Object; `columns` False leaves definitions out."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": rv},
        "columnDefinitions": column_definitions(resource) if columns else None,
        "rows": [_row(resource, obj, now, include_object) for obj in objs],
    }


def _row(resource: Resource, obj: Obj, now: float, include_object: str) -> Obj:
    row: Obj = {"cells": resource.row(obj, now)}
    if include_object == "Object":
        row["object"] = obj if resource.storage is None else resource.served(copy_of(obj))
    elif include_object == "Metadata":
        row["object"] = partial(obj)
    return row


def partial(obj: Obj) -> Obj:
    """The object as a PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj.get("metadata") or {},
    }


def partial_list(objs: Iterable[Obj], metadata: Obj) -> Obj:
    """A PartialObjectMetadataList with that ListMeta."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "items": [partial(obj) for obj in objs],
    }
