"""The policy group, v1: PodDisruptionBudget.

Source: k8s.io/kubernetes/pkg/apis/policy/validation and pkg/printers/internalversion.
"""

from __future__ import annotations

import re
from typing import Any

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.resources import CellFunction, Column, Resource
from k9lite.api.validation import check_non_negative, check_selector, required, unsupported, wrong

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_PERCENT = re.compile(r"\d+%")
DISRUPTION_BUDGET = "DisruptionBudget"
"""The cause in the Status of an eviction that a budget does not allow."""


def scaled(value: int | str, total: int) -> int:
    """An IntOrString of a total; percentages are rounded up, as budgets have it."""
    if isinstance(value, int):
        return value
    return -(-int(value.removesuffix("%")) * total // 100)


def _number_or_percent(field: str, value: Any) -> list[Cause]:
    if isinstance(value, int):
        return check_non_negative(field, value)
    if not _PERCENT.fullmatch(str(value)):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
            "regex used for validation is '[0-9]+%')"
        )
        return [wrong(field, value, why)]
    return [] if int(value[:-1]) <= 100 else [wrong(field, value, "must not be greater than 100%")]


def _validate(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes: list[Cause] = []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        causes.append(wrong("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        if field in spec:
            causes += _number_or_percent(f"spec.{field}", spec[field])
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.append(unsupported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return causes + check_selector("spec.selector", spec.get("selector") or {})


def _empty_status(obj: Obj) -> None:
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    obj["status"] = {count: 0 for count in counts}


def _limit(field: str) -> CellFunction:
    return lambda obj, _: str(dig(obj, "spec", field, default="N/A"))


PODDISRUPTIONBUDGETS = Resource(
    "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget",
    short_names=("pdb",), subresources=("status",), has_generation=True,
    validate=_validate, reset_status=_empty_status,
    columns=(
        NAME,
        Column("Min Available", _limit("minAvailable")),
        Column("Max Unavailable", _limit("maxUnavailable")),
        Column("Allowed Disruptions", lambda obj, _: int(dig(obj, "status", "disruptionsAllowed", default=0)),
               type="integer"),
        AGE,
    ),
)  # fmt: skip
