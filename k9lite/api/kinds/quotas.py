"""The core group, v1: ResourceQuota, LimitRange. Source: pkg/apis/core/{v1/defaults.go,validation}."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from k9lite.api import quantity
from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import check_key, duplicate, immutable, not_allowed, required, unsupported, wrong

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services",
    "services.loadbalancers", "services.nodeports",
)  # fmt: skip
"""What a quota counts by a name of its own; any other kind is counted by `count/<resource>`."""
_STANDARD = frozenset(
    (*_COMPUTE, *_COUNTED, "storage", "requests.storage",
     *(f"{part}.{name}" for part in ("requests", "limits") for name in _COMPUTE))
)  # fmt: skip
_SCOPES = (
    "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
)  # fmt: skip
_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")


def canonical(amounts: Any) -> None:
    """Each quantity of a map as upstream stores it, in place; what is none stays, for validation to name."""
    if not isinstance(amounts, dict):
        return
    for name, amount in amounts.items():
        try:
            amounts[name] = quantity.canonical(amount)
        except ValueError:
            continue


def check_amounts(field: str, amounts: Mapping[str, Any]) -> tuple[list[Cause], dict[str, Decimal]]:
    """Errors of a map of quantities, and the values of those that have none."""
    causes: list[Cause] = []
    values: dict[str, Decimal] = {}
    for name, amount in amounts.items():
        try:
            values[name] = quantity.parse(amount)
        except ValueError as error:
            causes.append(wrong(f"{field}[{name}]", amount, str(error)))
    return causes, values


# ResourceQuota ---------------------------------------------------------------------------------------
def _default_quota(obj: Obj) -> None:
    canonical(dig(obj, "spec", "hard"))


def _validate_quota(obj: Obj) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes, values = check_amounts("spec.hard", spec.get("hard") or {})
    for name, value in values.items():
        at = f"spec.hard[{name}]"
        causes += check_key(at, name)
        if "/" not in name and name not in _STANDARD:
            causes.append(wrong(at, name, "must be a standard resource for quotas"))
        if value < 0:
            causes.append(wrong(at, spec["hard"][name], "must be greater than or equal to 0"))
        elif (name in _COUNTED or name.startswith("count/")) and value != value.to_integral_value():
            causes.append(wrong(at, spec["hard"][name], "must be an integer"))
    scopes = spec.get("scopes") or []
    if unknown := [scope for scope in scopes if scope not in _SCOPES]:
        causes.append(wrong("spec.scopes", unknown, "unsupported scope"))
    for one, other in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if one in scopes and other in scopes:
            causes.append(wrong("spec.scopes", scopes, "conflicting scopes"))
    return causes


def _validate_quota_update(new: Obj, old: Obj) -> list[Cause]:
    return [cause for field in ("scopes", "scopeSelector") for cause in immutable(f"spec.{field}", new, old,
                                                                                  "spec", field)]  # fmt: skip


def _usage(*, of_limits: bool) -> Any:
    """`cpu: 1/4, pods: 2/10`: what is used of what status says may be used."""

    def cell(obj: Obj, _: float) -> str:
        hard, used = dig(obj, "status", "hard", default={}), dig(obj, "status", "used", default={})
        names = (name for name in sorted(hard) if name.startswith("limits.") == of_limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


def _empty_status(obj: Obj) -> None:
    obj["status"] = {}


RESOURCEQUOTAS = Resource(
    "", "v1", "ResourceQuota", "resourcequotas", "resourcequota",
    short_names=("quota",), subresources=("status",), default=_default_quota, reset_status=_empty_status,
    validate=_validate_quota, validate_update=_validate_quota_update,
    columns=(
        NAME, Column("Request", _usage(of_limits=False)), Column("Limit", _usage(of_limits=True)), AGE,
    ),
)  # fmt: skip


# LimitRange ------------------------------------------------------------------------------------------
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def _default_limits(obj: Obj) -> None:
    """A container's default limit is the most it may have; its default request that limit, else the least."""
    for item in dig(obj, "spec", "limits", default=[]):
        if item.get("type") == "Container":
            default, request = item.setdefault("default", {}), item.setdefault("defaultRequest", {})
            _fill(default, item.get("max"))
            _fill(request, default)
            _fill(request, item.get("min"))
        for field in _AMOUNTS:
            canonical(item.get(field))


def _fill(amounts: Obj, others: Obj | None) -> None:
    for name, amount in (others or {}).items():
        amounts.setdefault(name, amount)


def _validate_limits(obj: Obj) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, item in enumerate(dig(obj, "spec", "limits", default=[])):
        at, kind = f"spec.limits[{index}]", item.get("type")
        if not kind:
            causes.append(required(f"{at}.type"))
        elif "/" not in kind and kind not in _LIMIT_TYPES:
            causes.append(unsupported(f"{at}.type", kind, _LIMIT_TYPES))
        elif kind in seen:
            causes.append(duplicate(f"{at}.type", kind))
        seen.add(str(kind))
        causes += _validate_item(at, item)
    return causes


def _validate_item(at: str, item: Obj) -> list[Cause]:
    causes: list[Cause] = []
    values: dict[str, dict[str, Decimal]] = {}
    for field in _AMOUNTS:
        wrong_ones, values[field] = check_amounts(f"{at}.{field}", item.get(field) or {})
        causes += wrong_ones
    if item.get("type") == "Pod":
        why = "may not be specified when `type` is 'Pod'"
        causes += [not_allowed(f"{at}.{field}", why) for field in ("default", "defaultRequest") if item.get(field)]
    if item.get("type") == "PersistentVolumeClaim" and "storage" not in values["min"] | values["max"]:
        why = "either minimum or maximum storage value is required, but neither was provided"
        causes.append(required(f"{at}.limits", why))
    for lower, upper in (("min", "max"), ("min", "defaultRequest"), ("defaultRequest", "max"),
                         ("defaultRequest", "default"), ("min", "default"), ("default", "max")):  # fmt: skip
        causes += _ordered(at, item, values, lower, upper)
    for name, ratio in values["maxLimitRequestRatio"].items():
        if ratio < 1:
            shown = item["maxLimitRequestRatio"][name]
            causes.append(wrong(f"{at}.maxLimitRequestRatio[{name}]", shown, f"ratio {shown} is less than 1"))
    return causes


_WORDS = {"min": "min", "max": "max", "default": "default", "defaultRequest": "default request"}


def _ordered(
    at: str, item: Obj, values: Mapping[str, Mapping[str, Decimal]], lower: str, upper: str
) -> Iterable[Cause]:
    """`min value 2 is greater than max value 1`, of every resource that has both."""
    for name in values[lower].keys() & values[upper].keys():
        if values[lower][name] > values[upper][name]:
            low, high = item[lower][name], item[upper][name]
            why = f"{_WORDS[lower]} value {low} is greater than {_WORDS[upper]} value {high}"
            yield wrong(f"{at}.{lower}[{name}]", low, why)


LIMITRANGES = Resource(
    "", "v1", "LimitRange", "limitranges", "limitrange",
    short_names=("limits",), default=_default_limits, validate=_validate_limits,
    columns=(NAME, Column("Created At", lambda obj, _: str(dig(obj, "metadata", "creationTimestamp", default="")))),
)  # fmt: skip
