"""The resource table: what a kind is called, where it is served and what may be done to it.

A kind is one `Resource`: names, scope, columns, defaults, validation, immutable fields, selectable fields.
`k9lite.api.kinds` holds them, one file per API group; `k9lite.api.catalog` finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.objects import Obj, copy_of, encode

Cell = str | int | float | bool | None
CellFunction = Callable[[Obj, float], Cell]
"""(object, now in seconds since the epoch) -> the cell."""

ORDINARY_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of kubectl's output. `priority` 1 shows only with -o wide."""

    name: str
    cell: CellFunction
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def _nothing(_: Obj) -> None:
    return None


def _keep_nothing(_new: Obj, _old: Obj) -> None:
    return None


def _no_causes(*_: Obj) -> list[Cause]:
    return []


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the scale subresource of a custom resource finds its numbers, as `.spec.replicas`; `selector` may be ""."""

    spec_replicas: str
    status_replicas: str
    selector: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Resource:
    """One served resource. Functions are pure; `default`, `carry_over` and `reset_status` change the first argument."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ORDINARY_VERBS
    subresources: tuple[str, ...] = ()
    """Of "status", "scale", "log", "finalize"..."""
    columns: tuple[Column, ...] = ()
    default: Callable[[Obj], None] = _nothing
    """Fills absent fields with upstream's defaults."""
    carry_over: Callable[[Obj, Obj], None] = _keep_nothing
    """(new, old): what an update that leaves it out keeps, set in place."""
    reset_status: Callable[[Obj], None] = _nothing
    """The status of a freshly created object (what the client sent is ignored)."""
    validate: Callable[[Obj], list[Cause]] = _no_causes
    validate_update: Callable[[Obj, Obj], list[Cause]] = _no_causes
    """(new, old) -> errors about immutable fields."""
    name_rule: str = "subdomain"
    """subdomain | label | dns1035: what metadata.name must look like."""
    selectable_fields: Mapping[str, Callable[[Obj], str]] = field(default_factory=dict)
    """Field selectors beyond metadata.name and metadata.namespace."""
    has_generation: bool = False
    generation_counts_annotations: bool = False
    """Whether a change of annotations is a new generation too (Deployments)."""
    storage: Resource | None = None
    """The version as which the objects are stored, for one that is another look at the same objects. Rules, columns
    and selectable fields read the stored form; `to_storage` and `from_storage` change their argument in place."""
    to_storage: Callable[[Obj], None] = _nothing
    from_storage: Callable[[Obj], None] = _nothing
    orphans_by_default: bool = False
    """Whether a deletion that names no propagation leaves the dependents (Jobs, for the sake of old clients)."""
    graceful: bool = False
    """Deleted with a grace period by the node (pods)."""
    list_kind: str = ""
    """The kind of its lists, where that is not the kind and `List`."""
    custom_schema: Mapping[str, Any] | None = None
    """The structural schema of a custom resource; built-in kinds have their types in the field table."""
    prune: Callable[[Obj], list[str]] | None = None
    """Drops what the schema does not name, in place; the paths of that. None: the field table says what there is."""
    scale_paths: ScalePaths | None = None
    """Of custom resources that scale; built-in kinds have spec.replicas."""

    def __repr__(self) -> str:
        return f"Resource({self.key})"

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`: as in an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """`pods`, `deployments.apps`: the store's name of the resource, and the one error messages use."""
        if self.storage is not None:
            return self.storage.key
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def kind_of_list(self) -> str:
        return self.list_kind or f"{self.kind}List"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection or of one object."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
            if subresource:
                parts.append(subresource)
        return "/".join(parts)

    def stored(self, obj: Obj) -> Resource:
        """Change an object of this version into its stored form, in place; returns the resource of that."""
        if self.storage is None:
            return self
        self.to_storage(obj)
        obj |= {"apiVersion": self.storage.api_version, "kind": self.storage.kind}
        return self.storage

    def served(self, obj: Obj) -> Obj:
        """A stored object, which may be changed, as this version shows it."""
        if not self._shows(obj):
            self.from_storage(obj)
            obj |= {"apiVersion": self.api_version, "kind": self.kind}
        return obj

    def _shows(self, obj: Obj) -> bool:
        """Whether a stored object is as this version shows it. Custom resources may have changed their storage."""
        return self.storage is None and obj.get("apiVersion", self.api_version) == self.api_version

    def body(self, obj: Obj, body: bytes) -> bytes:
        """The JSON of a stored object, given with its stored JSON, as this version shows it."""
        return body if self._shows(obj) else encode(self.served(copy_of(obj)))

    def row(self, obj: Obj, now: float) -> list[Any]:
        """The cells of the object, in the order of `columns`."""
        return [column.cell(obj, now) for column in self.columns]
