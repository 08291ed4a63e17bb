"""OpenAPI documents are whole: every reference is there, every kind can be found by its group, version and kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from k9lite.api.catalog import DEPLOYMENTS, PODS, RESOURCES, SERVICES
from k9lite.api.openapi import document, fingerprint
from k9lite.api.resources import Resource


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):  # a schema of schemas has a field of that name
            yield value["$ref"].removeprefix("#/components/schemas/")
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from references(item)


BACKUPS = Resource(
    "example.com", "v1", "Backup", "backups", "backup",
    custom_schema={"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}},
)  # fmt: skip


def test_every_reference_is_there_and_every_kind_is_found() -> None:
    made = document([*RESOURCES, BACKUPS], "v1")
    schemas = made["components"]["schemas"]
    assert set(references(made)) <= set(schemas)
    for resource in (*RESOURCES, BACKUPS):
        wanted = [{"group": resource.group, "version": resource.version, "kind": resource.kind}]
        found = [name for name, schema in schemas.items() if schema.get("x-kubernetes-group-version-kind") == wanted]
        assert len(found) == 1, resource
        patch = made["paths"][resource.path("{namespace}" if resource.namespaced else None, "{name}")]["patch"]
        assert patch["x-kubernetes-group-version-kind"] == wanted[0]
        assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
        assert ("application/strategic-merge-patch+json" in patch["requestBody"]["content"]) == (
            resource is not BACKUPS
        )


def test_fields_say_how_they_merge() -> None:
    schemas = document([PODS, SERVICES, DEPLOYMENTS], "v1")["components"]["schemas"]
    spec = schemas["io.k8s.api.core.v1.PodSpec"]
    containers = spec["properties"]["containers"]
    assert containers == {
        "type": "array", "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"},
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
    }  # fmt: skip
    assert spec["required"] == ["containers"]
    assert schemas["io.k8s.api.core.v1.ServicePort"]["properties"]["protocol"]["default"] == "TCP"
    assert schemas["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"] == "atomic"
    strategy = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    assert strategy["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}]


def test_custom_resources_keep_their_own_schema() -> None:
    schema = document([BACKUPS], "v1")["components"]["schemas"]["com.example.v1.Backup"]
    assert schema["properties"]["spec"]["properties"] == {"size": {"type": "integer"}}
    assert list(schema["properties"]) == ["apiVersion", "kind", "spec", "metadata"]


def test_the_fingerprint_tells_what_is_served() -> None:
    changed = replace(BACKUPS, custom_schema={"type": "object"})
    prints = {fingerprint(served) for served in ([], [PODS], [PODS, BACKUPS], [PODS, changed], [SERVICES, PODS])}
    assert len(prints) == 5
    assert fingerprint([PODS, BACKUPS]) == fingerprint([PODS, replace(BACKUPS)])
