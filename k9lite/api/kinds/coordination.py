"""The coordination.k8s.io group, v1: Lease. Source: pkg/apis/coordination/validation/validation.go."""

from __future__ import annotations

from k9lite.api.errors import Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.resources import Column, Resource
from k9lite.api.validation import check_non_negative, wrong


def _validate(obj: Obj) -> list[Cause]:
    spec = obj.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    causes = check_non_negative("spec.leaseTransitions", spec.get("leaseTransitions"))
    if seconds is not None and seconds <= 0:
        causes.append(wrong("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    return causes


LEASES = Resource(
    "coordination.k8s.io", "v1", "Lease", "leases", "lease",
    validate=_validate,
    columns=(NAME, Column("Holder", lambda obj, _: str(dig(obj, "spec", "holderIdentity", default=""))), AGE),
)  # fmt: skip
