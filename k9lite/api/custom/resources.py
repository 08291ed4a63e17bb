"""The Resources that a CustomResourceDefinition makes: one for each version that is served.

All versions share one place in the store. Objects lie there in the storage version; the other versions differ in
apiVersion and in what their schemas keep (conversion strategy None).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from k9lite.api.custom import jsonpath
from k9lite.api.custom.structural import PRESERVE, Schema, fill, prune
from k9lite.api.custom.values import check
from k9lite.api.errors import Cause, invalid
from k9lite.api.objects import Obj, dig, is_true, name_of
from k9lite.api.printing import age, created_age
from k9lite.api.resources import Cell, CellFunction, Column, Resource, ScalePaths
from k9lite.api.schema import check_metadata

_NAME = Column("Name", lambda obj, _: str(obj["metadata"].get("name", "")), format="name")
_AGE = Column("Age", created_age, type="date")


def is_established(definition: Obj) -> bool:
    return is_true(definition, "Established")


def resources_of(definition: Obj) -> list[Resource]:
    """In the order of preference: by version priority, v1 before v1beta1 before anything else. None unless established."""
    stored = storage_resource(definition)
    if stored is None:
        return []
    versions = [version for version in dig(definition, "spec", "versions", default=[]) if version.get("served")]
    versions.sort(key=lambda version: version_priority(version["name"]), reverse=True)
    return [
        stored if version["name"] == stored.version else _resource(definition, version, stored) for version in versions
    ]


def storage_resource(definition: Obj) -> Resource | None:
    """The one in which objects are stored, whether it is served or not."""
    if not is_established(definition):
        return None
    stored_in = storage_version(definition)
    return next(
        _resource(definition, each, None) for each in definition["spec"]["versions"] if each["name"] == stored_in
    )


def storage_version(definition: Obj) -> str:
    versions = dig(definition, "spec", "versions", default=[])
    return next((str(version["name"]) for version in versions if version.get("storage")), "")


def version_priority(name: str) -> tuple[int, int, int, str]:
    """Greater is better: GA, then beta, then alpha, each by number; other names last, in reverse order.

    Source: k8s.io/apimachinery/pkg/version.CompareKubeAwareVersionStrings.
    """
    head, kind, tail = name.removeprefix("v"), 3, ""
    for level, word in ((1, "alpha"), (2, "beta")):
        if word in head:
            head, _, tail = head.partition(word)
            kind = level
            break
    if not name.startswith("v") or not head.isdigit() or not (tail.isdigit() or kind == 3):
        return 0, 0, 0, "".join(chr(0x10FFFF - ord(char)) for char in name)
    return kind, int(head), int(tail or 0), ""


def _resource(definition: Obj, version: Obj, storage: Resource | None) -> Resource:
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    schema: Schema = dig(version, "schema", "openAPIV3Schema", default={PRESERVE: True})
    group, name = spec["group"], version["name"]
    subresources = version.get("subresources") or {}
    scale, has_status = subresources.get("scale"), "status" in subresources
    return Resource(
        group, name, names["kind"], names["plural"], names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=("status",) * has_status + ("scale",) * bool(scale),
        columns=_columns(version),
        custom_schema=schema,
        prune=partial(_prune, f"{group}/{name}", names["kind"], schema),
        default=partial(_default, schema),
        validate=partial(_validate, schema),
        reset_status=_without_status if has_status else _untouched,
        has_generation=True,
        scale_paths=_scale_paths(scale) if scale else None,
        selectable_fields={
            field["jsonPath"].removeprefix("."): partial(_selected, field["jsonPath"])
            for field in version.get("selectableFields") or ()
        },
        storage=storage,
        to_storage=partial(_check_whole, names["kind"], group, schema),
        from_storage=partial(_drop_unknown, schema),
        list_kind=names.get("listKind") or "",
    )  # fmt: skip


def _prune(api_version: str, kind: str, schema: Schema, obj: Obj) -> list[str]:
    """Raises ApiError 400 for metadata of a wrong type."""
    return check_metadata(api_version, kind, obj) + prune(obj, schema, is_object=True)


def _default(schema: Schema, obj: Obj) -> None:
    fill(obj, schema)


def _validate(schema: Schema, obj: Obj) -> list[Cause]:
    return check(obj, schema)


def _without_status(obj: Obj) -> None:
    obj.pop("status", None)


def _untouched(_: Obj) -> None:
    return None


def _check_whole(kind: str, group: str, schema: Schema, obj: Obj) -> None:
    """What is sent in another version has to be right there, before it is held to the storage version's schema too."""
    fill(obj, schema)
    causes = check({key: value for key, value in obj.items() if key != "status"}, schema)
    if causes:
        raise invalid(kind, group, name_of(obj), causes)


def _drop_unknown(schema: Schema, obj: Obj) -> None:
    prune(obj, schema, is_object=True)


def _scale_paths(scale: Obj) -> ScalePaths:
    return ScalePaths(
        scale.get("specReplicasPath", ""), scale.get("statusReplicasPath", ""), scale.get("labelSelectorPath", "")
    )


def _selected(path: str, obj: Obj) -> str:
    value = jsonpath.get(path, obj)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


# Columns ---------------------------------------------------------------------------------------------
def _columns(version: Obj) -> tuple[Column, ...]:
    """Name, then what the definition says; without a word of it, the age."""
    given = version.get("additionalPrinterColumns")
    if not given:
        return _NAME, _AGE
    return _NAME, *(
        Column(
            column["name"], _cell(column["jsonPath"], column["type"]), column["type"], column.get("format") or "",
            int(column.get("priority") or 0), column.get("description") or "",
        )
        for column in given
    )  # fmt: skip


def _cell(path: str, kind: str) -> CellFunction:
    def cell(obj: Obj, now: float) -> Cell:
        values = jsonpath.find(path, obj)
        if not values:
            return None
        value: Any = values[0]
        if kind == "date":
            return age(value, now) if isinstance(value, str) else "<unknown>"
        if kind in ("integer", "number", "boolean"):
            wanted = bool if kind == "boolean" else (int, float)
            return value if isinstance(value, wanted) and isinstance(value, bool) == (kind == "boolean") else None
        return " ".join(_text(item) for item in values)

    return cell


def _text(value: Any) -> str:
    """As Go's JSONPath prints: JSON for lists and objects."""
    if isinstance(value, dict | list):
        import orjson

        return orjson.dumps(value).decode()
    if isinstance(value, bool) or value is None:
        return {None: "", True: "true", False: "false"}[value]
    return str(value)
