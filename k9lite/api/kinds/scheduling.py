"""The scheduling.k8s.io group, v1: PriorityClass. Source: pkg/apis/scheduling/validation/validation.go."""

from __future__ import annotations

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, name_of
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import immutable, not_allowed, unsupported

_HIGHEST = 1_000_000_000
"""Of those that users define; above are the system's."""
_POLICIES = ("Never", "PreemptLowerPriority")


def _default(obj: Obj) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
    obj.setdefault("value", 0)


def _validate(obj: Obj) -> list[Cause]:
    causes: list[Cause] = []
    if name_of(obj).startswith("system-"):
        why = "priority class names with 'system-' prefix are reserved for system use only"
        causes.append(not_allowed("metadata.name", why))
    if obj["value"] > _HIGHEST:
        why = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        causes.append(not_allowed("value", why))
    if obj["preemptionPolicy"] not in _POLICIES:
        causes.append(unsupported("preemptionPolicy", obj["preemptionPolicy"], _POLICIES))
    return causes


def _validate_update(new: Obj, old: Obj) -> list[Cause]:
    changed = [not_allowed("value", "may not be changed in an update.")] if new["value"] != old["value"] else []
    return changed + immutable("preemptionPolicy", new, old, "preemptionPolicy")


PRIORITYCLASSES = Resource(
    "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "priorityclass",
    namespaced=False, short_names=("pc",), default=_default, validate=_validate, validate_update=_validate_update,
    columns=(
        NAME,
        Column("Value", lambda obj, _: int(obj.get("value") or 0), type="integer"),
        Column("Global-Default", lambda obj, _: bool(obj.get("globalDefault")), type="boolean"),
        AGE,
        Column("PreemptionPolicy", lambda obj, _: str(obj.get("preemptionPolicy", ""))),
    ),
)  # fmt: skip
