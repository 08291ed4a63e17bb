"""Which resources are served: the built-in ones and those that CustomResourceDefinitions add while the server runs.

It follows the store, so what a definition adds is there before the writer of the definition is answered, and again
after a restart. Whether a definition's names are accepted depends on the others; `admit` writes that into its
conditions. Source: k8s.io/apiextensions-apiserver/pkg/controller/{status,establish}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k9lite.api.catalog import CUSTOMRESOURCEDEFINITIONS, SERVED, STORED
from k9lite.api.custom.resources import resources_of, storage_resource, storage_version
from k9lite.api.custom.wellformed import rules_in
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, copy_of, dig, is_deleting, is_true, name_of, set_condition
from k9lite.api.resources import Resource
from k9lite.clock import Clock, rfc3339
from k9lite.store.store import Store
from k9lite.store.watch import Event

_NAMES = (("plural", "PluralConflict"), ("singular", "SingularConflict"), ("shortNames", "ShortNamesConflict"),
          ("kind", "KindConflict"), ("listKind", "ListKindConflict"))  # fmt: skip


class Served:
    """One for each registry."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._definitions = {name_of(stored.obj): stored.obj for stored in store.list(CUSTOMRESOURCEDEFINITIONS.key)}
        self._listeners: list[Callable[[], None]] = []
        self._rebuild()
        store.follow(CUSTOMRESOURCEDEFINITIONS.key, self._changed)

    def _changed(self, event: Event) -> None:
        if event.verb == "DELETED":
            self._definitions.pop(event.name, None)
        else:
            self._definitions[event.name] = event.stored.obj
        self._rebuild()
        for tell in self._listeners:
            tell()

    def _rebuild(self) -> None:
        definitions = [self._definitions[name] for name in sorted(self._definitions, key=_by_group)]
        custom = [resource for definition in definitions for resource in resources_of(definition)]
        self.resources: tuple[Resource, ...] = (*SERVED, *custom)
        self._by_path = {(each.group, each.version, each.plural): each for each in reversed(self.resources)}
        self._by_kind = {(each.api_version, each.kind): each for each in reversed(self.resources)}
        stored_as = filter(None, map(storage_resource, definitions))
        self._by_key = {each.key: each for each in (*stored_as, *STORED)}

    def on_change(self, tell: Callable[[], None]) -> None:
        """Be told when the resources have changed."""
        self._listeners.append(tell)

    def each(self) -> Iterable[Resource]:
        """One resource for each place in the store: of several versions the one that objects are stored in."""
        return self._by_key.values()

    def by_key(self, key: str) -> Resource | None:
        return self._by_key.get(key)

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        return self._by_kind.get((api_version, kind))

    def by_path(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def admit(self, resource: Resource, new: Obj, old: Obj | None) -> None:
        """Before a write: conditions of definitions; no new objects of one that is being deleted (ApiError 405)."""
        if resource is CUSTOMRESOURCEDEFINITIONS:
            self._conclude(new, rfc3339(self._clock.time()))
        elif old is None and is_deleting(self._definitions.get(resource.key, {})):
            why = "create not allowed while custom resource definition is terminating"
            raise ApiError(405, "MethodNotAllowed", why, {"kind": resource.plural, "group": resource.group})

    # Conditions of definitions -------------------------------------------------------------------------
    def _conclude(self, definition: Obj, now: str) -> None:
        """Set in its status what follows from its spec and from the other definitions."""
        status = definition["status"] = copy_of(definition.get("status") or {})  # it may be the stored one's
        names = copy_of(definition["spec"]["names"])
        conflict = self._conflict(definition)
        if conflict is None:
            status["acceptedNames"] = names
            _say(status, "NamesAccepted", True, "NoConflicts", "no conflicts found", now)
        else:
            status.setdefault("acceptedNames", {"plural": "", "kind": ""})
            _say(status, "NamesAccepted", False, *conflict, now)
        if conflict is None:
            _say(status, "Established", True, "InitialNamesAccepted", "the initial names have been accepted", now)
        elif not is_true(definition, "Established"):
            _say(status, "Established", False, "NotAccepted", "not all names are accepted", now)
        stored = status.setdefault("storedVersions", [])
        if storage_version(definition) not in stored:
            stored.append(storage_version(definition))
        _say_of_rules(definition, status, now)

    def _conflict(self, definition: Obj) -> tuple[str, str] | None:
        """The reason and message of the first name that another definition of the group has."""
        group, names = definition["spec"]["group"], definition["spec"]["names"]
        others = [
            dig(other, "status", "acceptedNames", default={})
            for name, other in self._definitions.items()
            if name != name_of(definition) and other["spec"]["group"] == group
        ]
        plurals = {
            word for other in others for key in ("plural", "singular", "shortNames") for word in _words(other, key)
        }
        kinds = {word for other in others for key in ("kind", "listKind") for word in _words(other, key)}
        for key, reason in _NAMES:
            for word in _words(names, key):
                if word in (kinds if key in ("kind", "listKind") else plurals):
                    return reason, f'"{word}" is already in use'
        return None


def _by_group(name: str) -> tuple[str, str]:
    """`plural.group`, by group first."""
    plural, _, group = name.partition(".")
    return group, plural


def _words(names: Obj, key: str) -> list[str]:
    value = names.get(key) or []
    return list(filter(None, value if isinstance(value, list) else [value]))


def _say(status: Obj, kind: str, holds: bool, reason: str, message: str, now: str) -> None:
    condition = {"type": kind, "status": str(holds), "reason": reason, "message": message}
    set_condition(status, condition, now)


def _say_of_rules(definition: Obj, status: Obj, now: str) -> None:
    """CEL rules are accepted, as charts come with them, but never silently left out."""
    versions = dig(definition, "spec", "versions", default=[])
    count = sum(rules_in(dig(version, "schema", "openAPIV3Schema", default={})) for version in versions)
    if count:
        message = (
            f"{count} rules of x-kubernetes-validations are not evaluated by k9lite: objects that break them are "
            "accepted. Everything else in the schema is enforced."
        )
        _say(status, "ValidationRulesEvaluated", False, "NotImplementedYet", message, now)
    else:
        kept = [each for each in status.get("conditions", []) if each.get("type") != "ValidationRulesEvaluated"]
        status["conditions"] = kept
