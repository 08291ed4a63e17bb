"""What fields a kind has, from the server's OpenAPI v3 documents, as kubectl explain prints it.

Source: k8s.io/kubectl/pkg/explain/v2 (its plaintext template).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from k9lite.api.errors import ApiError
from k9lite.api.resources import Resource
from k9lite.client.errors import ClientError
from k9lite.client.rest import KubeClient

Schema = dict[str, Any]
WIDTH = 76
_GVK = "x-kubernetes-group-version-kind"


class ExplainError(ClientError):
    """There is no such field, or the server tells nothing of the kind."""


async def schemas_of(client: KubeClient, resource: Resource) -> dict[str, Schema]:
    """The schemas of the resource's group and version by name. Raises ExplainError where none are served."""
    path = f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"
    try:
        document = await client.request("GET", f"/openapi/v3/{path}")
    except ApiError as error:
        if error.code != 404:
            raise
        raise ExplainError(
            f"the server describes no fields of {resource.api_version} (it serves no OpenAPI v3)"
        ) from error
    schemas: dict[str, Schema] = ((document.get("components") or {}).get("schemas") or {}) if document else {}
    return schemas


class Explainer:
    """One kind of one group and version."""

    def __init__(self, schemas: dict[str, Schema], resource: Resource) -> None:
        self._schemas = schemas
        self._resource = resource
        wanted = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        found = next((schema for schema in schemas.values() if wanted in schema.get(_GVK, [])), None)
        if found is None:
            raise ExplainError(f"the server describes no fields of kind {resource.kind} in {resource.api_version}")
        self._root: Schema = found

    def text(self, fields: list[str], *, recursive: bool = False) -> str:
        """Raises ExplainError for a field that does not exist."""
        resource = self._resource
        lines = [f"GROUP:      {resource.group}"] if resource.group else []
        lines += [f"KIND:       {resource.kind}", f"VERSION:    {resource.version}", ""]
        schema = self._root
        for number, name in enumerate(fields):
            properties = self._properties(schema)
            if name not in properties:
                raise ExplainError(f'field "{name}" does not exist')
            schema = properties[name]
            if number == len(fields) - 1:
                lines += [f"FIELD: {name} <{self._type(schema)}>", *_enum(schema, 4), "", ""]
        lines += ["DESCRIPTION:", *_wrapped(self._description(schema) or "<empty>", 4)]
        properties = self._properties(schema)
        if properties:
            lines += ["FIELDS:", *self._fields(schema, recursive=recursive, level=0, seen=())]
        return "\n".join(lines) + "\n\n"

    def _resolved(self, schema: Schema) -> Schema:
        """Behind references and the single `allOf` around them."""
        while True:
            if "$ref" in schema:
                schema = self._schemas.get(str(schema["$ref"]).rpartition("/")[2], {})
            elif len(schema.get("allOf") or []) == 1 and not schema.get("properties"):
                schema = schema["allOf"][0]
            else:
                return schema

    def _core(self, schema: Schema) -> Schema:
        """The element of lists and maps."""
        schema = self._resolved(schema)
        while True:
            inner = schema.get("items") or schema.get("additionalProperties")
            if not isinstance(inner, dict):
                return schema
            schema = self._resolved(inner)

    def _properties(self, schema: Schema) -> dict[str, Schema]:
        return self._core(schema).get("properties") or {}

    def _description(self, schema: Schema) -> str:
        """The field's own words, then those of its type."""
        own, behind = schema.get("description", ""), self._core(schema).get("description", "")
        return "".join(f"{text}\n" for text in dict.fromkeys([own, behind]) if text)

    def _type(self, schema: Schema) -> str:
        if isinstance(schema.get("items"), dict):
            return "[]" + self._type(schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            return "map[string]" + self._type(schema["additionalProperties"])
        if len(schema.get("allOf") or []) == 1 and not schema.get("properties"):
            return self._type(schema["allOf"][0])
        if "$ref" in schema:
            return str(schema["$ref"]).rpartition(".")[2]
        return "Object" if schema.get("type") == "object" else str(schema.get("type") or "")

    def _fields(self, schema: Schema, *, recursive: bool, level: int, seen: tuple[int, ...]) -> Iterator[str]:
        core = self._core(schema)
        required = set(core.get("required") or [])
        for name, field in sorted((core.get("properties") or {}).items()):
            mark = " -required-" if name in required else ""
            yield f"{'  ' * (level + 1)}{name}\t<{self._type(field)}>{mark}"
            yield from _enum(field, 2 * (level + 1))
            if not recursive:
                yield from _wrapped(field.get("description") or "<no description>", 4)
                yield ""
            elif id(self._core(field)) not in seen:  # JSON schemas hold themselves
                inner = (*seen, id(self._core(field)))
                yield from self._fields(field, recursive=True, level=level + 1, seen=inner)


def _enum(schema: Schema, indent: int) -> list[str]:
    values = schema.get("enum")
    return [f"{' ' * indent}enum: {', '.join(map(str, values))}"] if values else []


def _wrapped(text: str, indent: int) -> list[str]:
    lines = [line for part in text.split("\n") for line in (textwrap.wrap(part, WIDTH) or [""])]
    return [" " * indent + line for line in lines]
