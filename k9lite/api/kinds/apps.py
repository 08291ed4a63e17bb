"""The apps group, v1: Deployment, ReplicaSet."""

from __future__ import annotations

import re
from typing import Any

from k9lite.api import podspec
from k9lite.api.errors import ApiError, Cause
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig
from k9lite.api.printing import containers_of
from k9lite.api.resources import Column, Resource
from k9lite.api.selectors import LabelSelector, field_reader
from k9lite.api.validation import (
    check_labels,
    check_non_negative,
    check_selector,
    immutable,
    not_allowed,
    required,
    unsupported,
    wrong,
)


def number_cell(*path: str) -> Any:
    return lambda obj, _: int(dig(obj, *path, default=0))


def template_cell(field: str) -> Any:
    return lambda obj, _: containers_of(dig(obj, "spec", "template", default={}), field)


def _ready(obj: Obj, _: float) -> str:
    return f"{dig(obj, 'status', 'readyReplicas', default=0)}/{dig(obj, 'spec', 'replicas', default=0)}"


def selector_cell(obj: Obj, _: float) -> str:
    return selector_text(obj)


def selector_text(obj: Obj) -> str:
    """spec.selector as `a=b,c in (d,e)`; a ReplicationController's is a plain map."""
    selector = dig(obj, "spec", "selector")
    if obj.get("kind") == "ReplicationController":
        return str(LabelSelector.from_map(selector))
    try:
        return str(LabelSelector.from_object(selector))
    except ApiError:
        return ""


def default_template(spec: Obj) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        template["metadata"].pop("creationTimestamp", None)
        if isinstance(template.get("spec"), dict):
            podspec.default_pod_spec(template["spec"])


def _default_deployment(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    strategy = spec.setdefault("strategy", {})
    if isinstance(strategy, dict):
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_template(spec)


def _default_replicaset(obj: Obj) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        default_template(spec)


def _empty_status(obj: Obj) -> None:
    obj["status"] = {}


def _empty_replicaset_status(obj: Obj) -> None:
    obj["status"] = {"replicas": 0}


def validate_workload(obj: Obj, kind: str = "deployment") -> list[Cause]:
    """What all that keep pods of a template have in common. `kind` is the word for it in messages."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = check_non_negative("spec.replicas", spec.get("replicas"))
    selector, template = spec.get("selector"), spec.get("template")
    if not isinstance(template, dict):
        causes.append(required("spec.template"))
        template = {}
    labels = dig(template, "metadata", "labels", default={})
    label_causes = check_labels("spec.template.labels", labels)
    causes += label_causes
    if not isinstance(selector, dict):
        causes.append(required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(wrong("spec.selector", selector, f"empty selector is invalid for {kind}"))
    elif selector_causes := check_selector("spec.selector", selector):
        causes += selector_causes
    elif not label_causes and not LabelSelector.from_object(selector).matches(labels):
        causes.append(wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    if template:
        causes += podspec.validate_pod_spec(template.get("spec"), "spec.template.spec", always=True)
    return causes


def _validate_deployment(obj: Obj) -> list[Cause]:
    causes = validate_workload(obj)
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return causes
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        causes += check_non_negative(f"spec.{field}", spec.get(field))
    ready, deadline = spec.get("minReadySeconds") or 0, spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= ready:
        causes.append(wrong("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return causes + _validate_strategy(spec.get("strategy") or {})


def _validate_strategy(strategy: Obj) -> list[Cause]:
    causes: list[Cause] = []
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate"):
        why = "may not be specified when strategy `type` is 'Recreate'"
        causes.append(not_allowed("spec.strategy.rollingUpdate", why))
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        return [*causes, unsupported("spec.strategy.type", strategy.get("type"), ("Recreate", "RollingUpdate"))]
    rolling = strategy.get("rollingUpdate") or {}
    zero = []
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field)
        at = f"spec.strategy.rollingUpdate.{field}"
        if isinstance(value, str) and not re.fullmatch(r"\d+%", value):
            causes.append(wrong(at, value, "a valid percent string must be a numeric string followed by an ending '%' "
                                "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"))  # fmt: skip
        elif not isinstance(value, str):
            causes += check_non_negative(at, value)
        zero.append(value in (0, "0%"))
    if strategy["type"] == "RollingUpdate" and all(zero):
        causes.append(wrong("spec.strategy.rollingUpdate.maxUnavailable", 0, "may not be 0 when `maxSurge` is 0"))
    return causes


def validate_selector_update(new: Obj, old: Obj) -> list[Cause]:
    return immutable("spec.selector", new, old, "spec", "selector")


DEPLOYMENTS = Resource(
    "apps", "v1", "Deployment", "deployments", "deployment",
    short_names=("deploy",), categories=("all",), subresources=("status", "scale"),
    has_generation=True, generation_counts_annotations=True,
    default=_default_deployment, reset_status=_empty_status,
    validate=_validate_deployment, validate_update=validate_selector_update,
    columns=(
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", number_cell("status", "updatedReplicas"), type="integer"),
        Column("Available", number_cell("status", "availableReplicas"), type="integer"),
        AGE,
        Column("Containers", template_cell("name"), priority=1),
        Column("Images", template_cell("image"), priority=1),
        Column("Selector", selector_cell, priority=1),
    ),
)  # fmt: skip

REPLICASETS = Resource(
    "apps", "v1", "ReplicaSet", "replicasets", "replicaset",
    short_names=("rs",), categories=("all",), subresources=("status", "scale"), has_generation=True,
    default=_default_replicaset, reset_status=_empty_replicaset_status,
    validate=validate_workload, validate_update=validate_selector_update,
    selectable_fields={"status.replicas": field_reader("status.replicas", 0)},
    columns=(
        NAME,
        Column("Desired", number_cell("spec", "replicas"), type="integer"),
        Column("Current", number_cell("status", "replicas"), type="integer"),
        Column("Ready", number_cell("status", "readyReplicas"), type="integer"),
        AGE,
        Column("Containers", template_cell("name"), priority=1),
        Column("Images", template_cell("image"), priority=1),
        Column("Selector", selector_cell, priority=1),
    ),
)  # fmt: skip
