"""OpenAPI v3 documents, one for each group and version, from the field table and the schemas of custom resources.

They hold what clients look for: the fields and types of each kind (kubectl explain), how its lists merge (client-side
apply), and for each path which patches it takes and that the server validates fields. No descriptions.

Source: the documents of k8s.io/kube-openapi, and what kubectl's explain, apply and validation read of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from k9lite.api import types
from k9lite.api.objects import Obj, copy_of, encode
from k9lite.api.patch import supported_for
from k9lite.api.resources import Resource
from k9lite.api.types import TIMES, Field, fields_of, is_struct, item_of, table, type_of

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_PACKAGES = {
    "meta.v1": _META,
    "apiextensions.v1": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.",
    "metrics.v1beta1": "io.k8s.metrics.pkg.apis.metrics.v1beta1.",
}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_SPECIALS: dict[str, Obj] = {
    _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}
_SCALARS: dict[str, Obj] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "Duration": {"type": "string"},
    "RawJSON": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "StringList": {"type": "array", "items": {"type": "string"}},
    **{name: {"type": "string", "format": "date-time"} for name in TIMES},
}
_ANY: Obj = {"x-kubernetes-preserve-unknown-fields": True}
_EXTENSIONS = {
    "k": "x-kubernetes-list-map-keys",
    "s": "x-kubernetes-patch-strategy",
    "mk": "x-kubernetes-patch-merge-key",
}
_OK: Obj = {"200": {"description": "OK"}}
_FIELD_VALIDATION: Obj = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
_QUERY: list[Obj] = [
    {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldManager")
] + [_FIELD_VALIDATION]  # fmt: skip


def schema_name(type_name: str) -> str:
    """`io.k8s.api.core.v1.Pod`."""
    if type_name == "Quantity":
        return _QUANTITY
    if type_name == "IntOrString":
        return _INT_OR_STRING
    about: dict[str, str] = table()["types"][type_name]
    return _PACKAGES.get(about["g"], f"io.k8s.api.{about['g']}.") + about.get("o", type_name)


def fingerprint(resources: Iterable[Resource]) -> str:
    """What changes whenever the document of these resources does; cheaper than the document."""
    digest = hashlib.sha256(types.fingerprint().encode())
    for resource in resources:
        about = [resource.api_version, resource.kind, resource.plural, resource.namespaced, resource.subresources]
        digest.update(encode([*about, resource.custom_schema]))
    return digest.hexdigest()[:32].upper()


def document(resources: Iterable[Resource], version: str) -> Obj:
    """The document of one group and version. `version` is what the server calls itself."""
    served = list(resources)
    names: dict[str, str] = {}
    schemas: dict[str, Obj] = {}
    for resource in served:
        if resource.custom_schema is not None:
            names |= _types_below("ObjectMeta")
            schemas[_custom_name(resource)] = _custom(resource)
        elif type_name := type_of(resource.api_version, resource.kind):
            names |= _types_below(type_name)
    schemas |= {name: _component(type_name) for type_name, name in names.items()}
    for resource in served:
        type_name = type_of(resource.api_version, resource.kind)
        if type_name and resource.custom_schema is None:
            schemas[schema_name(type_name)]["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": {path: item for resource in served for path, item in _paths(resource)},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


# Types ------------------------------------------------------------------------------------------------
def _types_below(type_name: str) -> dict[str, str]:
    """{type: schema name} of a type and all that it is made of."""
    found: dict[str, str] = {}
    left = [type_name]
    while left:
        name = left.pop()
        if name in found:
            continue
        found[name] = schema_name(name)
        for about in fields_of(name).values() if is_struct(name) else ():
            inner = about["t"]
            while item := item_of(inner):
                inner = item
            if is_struct(inner) or inner in ("Quantity", "IntOrString"):
                left.append(inner)
    return found


def _component(type_name: str) -> Obj:
    if type_name in ("Quantity", "IntOrString"):
        return dict(_SPECIALS[schema_name(type_name)])
    fields = fields_of(type_name)
    schema: Obj = {"type": "object", "properties": {name: _property(about) for name, about in fields.items()}}
    if required := [name for name, about in fields.items() if about.get("r")]:
        schema["required"] = required
    if table()["types"][type_name].get("m") == "atomic":
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _property(about: Field) -> Obj:
    type_name: str = about["t"]
    schema = _schema(type_name)
    extra = {_EXTENSIONS[key]: about[key] for key in _EXTENSIONS if key in about}
    if type_name.endswith("[]"):
        extra["x-kubernetes-list-type"] = about.get("l", "atomic")
    if "m" in about:
        extra["x-kubernetes-map-type"] = about["m"]
    if "d" in about:
        extra["default"] = about["d"]
    if extra and "$ref" in schema:  # what stands beside a reference is not read
        schema = {"allOf": [schema]}
    return {**schema, **extra}


def _schema(type_name: str) -> Obj:
    if is_struct(type_name) or type_name in ("Quantity", "IntOrString"):
        return _reference(schema_name(type_name))
    item = item_of(type_name)
    if item is None:
        return dict(_SCALARS.get(type_name, _ANY))
    if type_name.endswith("[]"):
        return {"type": "array", "items": _schema(item)}
    return {"type": "object", "additionalProperties": _schema(item)}


def _reference(name: str) -> Obj:
    return {"$ref": f"#/components/schemas/{name}"}


def _custom_name(resource: Resource) -> str:
    """`com.example.v1.Backup` of the group example.com."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _custom(resource: Resource) -> Obj:
    schema = copy_of(dict(resource.custom_schema or {}))
    properties: Obj = schema.setdefault("properties", {})
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **properties,
        "metadata": _reference(_META + "ObjectMeta"),
    }
    schema["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return schema


def _gvk(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


# Paths ------------------------------------------------------------------------------------------------
def _paths(resource: Resource) -> Iterator[tuple[str, Obj]]:
    collection = resource.path("{namespace}" if resource.namespaced else None)
    parameters = [_in_path("namespace")] if resource.namespaced else []
    yield collection, {"parameters": parameters, **_operations(resource, {"get": "list", "post": "create"})}
    actions = {"get": "get", "put": "update", "patch": "patch", "delete": "delete"}
    yield f"{collection}/{{name}}", {"parameters": [*parameters, _in_path("name")], **_operations(resource, actions)}


def _in_path(name: str) -> Obj:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _operations(resource: Resource, actions: dict[str, str]) -> Obj:
    return {method: _operation(resource, action) for method, action in actions.items() if action in resource.verbs}


def _operation(resource: Resource, action: str) -> Obj:
    operation: Obj = {
        "x-kubernetes-group-version-kind": _gvk(resource),
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(action, action),
        "responses": _OK,
    }
    if action in ("create", "update", "patch"):
        operation["parameters"] = _QUERY
        media_types: tuple[str, ...] = _patches(resource) if action == "patch" else ("application/json",)
        operation["requestBody"] = {"content": {media_type: {} for media_type in media_types}}
    return operation


def _patches(resource: Resource) -> tuple[str, ...]:
    return supported_for(None if resource.custom_schema is not None else type_of(resource.api_version, resource.kind))
