"""The core group, v1: ReplicationController, the ReplicaSet of old. Source: pkg/apis/core/{v1/defaults.go,validation}."""

from __future__ import annotations

from k9lite.api import podspec
from k9lite.api.errors import Cause
from k9lite.api.kinds.apps import default_template, number_cell, selector_cell, template_cell
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig, labels_of
from k9lite.api.resources import Column, Resource
from k9lite.api.selectors import LabelSelector, field_reader
from k9lite.api.validation import check_labels, check_non_negative, required, wrong


def _default(obj: Obj) -> None:
    """Labels and selector are the template's where none are given."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec)
    labels = labels_of(spec.get("template") or {})
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not labels_of(obj):
            obj["metadata"]["labels"] = dict(labels)


def _validate(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes = check_non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += check_non_negative("spec.replicas", spec.get("replicas"))
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        causes.append(required("spec.selector"))
    if not isinstance(template, dict):
        return [*causes, required("spec.template")]
    labels = dig(template, "metadata", "labels", default={})
    causes += check_labels("spec.template.labels", labels)
    if selector and not LabelSelector.from_map(selector).matches(labels):
        causes.append(wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes + podspec.validate_pod_spec(template.get("spec"), "spec.template.spec", always=True)


def _status(obj: Obj) -> None:
    obj["status"] = {"replicas": 0}


REPLICATIONCONTROLLERS = Resource(
    "", "v1", "ReplicationController", "replicationcontrollers", "replicationcontroller",
    short_names=("rc",), categories=("all",), subresources=("status", "scale"), has_generation=True,
    orphans_by_default=True, default=_default, reset_status=_status, validate=_validate,
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
