"""Kinds that set rules for others: quotas, limits, budgets, priorities, leases, and the ReplicationController."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.catalog import (
    LEASES,
    LIMITRANGES,
    PODDISRUPTIONBUDGETS,
    PRIORITYCLASSES,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
)
from k9lite.api.errors import ApiError
from k9lite.api.meta import prepare_create, prepare_update
from k9lite.api.objects import Obj, copy_of, dig
from k9lite.api.resources import Resource

NOW = "2026-01-02T03:04:05Z"
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


def made(resource: Resource, name: str = "x", **content: Any) -> Obj:
    obj: Obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
    obj |= copy_of(content)
    prepare_create(resource, obj, NOW)
    return obj


def cells(resource: Resource, obj: Obj) -> list[Any]:
    return [column.cell(obj, 0.0) for column in resource.columns if column.name not in ("Name", "Age")]


def test_a_replication_controller_takes_labels_and_selector_from_its_template() -> None:
    controller = made(REPLICATIONCONTROLLERS, spec={"template": TEMPLATE})
    assert controller["spec"]["selector"] == controller["metadata"]["labels"] == {"app": "x"}
    assert controller["spec"]["replicas"] == 1
    assert cells(REPLICATIONCONTROLLERS, controller) == [1, 0, 0, "c", "i:1", "app=x"]


def test_quantities_are_stored_as_upstream_writes_them() -> None:
    quota = made(RESOURCEQUOTAS, spec={"hard": {"requests.cpu": "1000m", "limits.memory": "1024Mi", "pods": 4}})
    assert quota["spec"]["hard"] == {"requests.cpu": "1", "limits.memory": "1Gi", "pods": "4"}
    assert cells(RESOURCEQUOTAS, quota) == ["", ""]
    quota["status"] = {"hard": quota["spec"]["hard"], "used": {"pods": "2", "limits.memory": "0"}}
    assert cells(RESOURCEQUOTAS, quota) == ["pods: 2/4, requests.cpu: 0/1", "limits.memory: 0/1Gi"]


def test_limits_default_from_each_other() -> None:
    item = {"type": "Container", "max": {"cpu": "2000m", "memory": "1Gi"}, "default": {"cpu": "1"}, "min": {"x": "1"}}
    limits = dig(made(LIMITRANGES, spec={"limits": [item]}), "spec", "limits")[0]
    assert limits["default"] == {"cpu": "1", "memory": "1Gi"}
    assert limits["defaultRequest"] == {"cpu": "1", "memory": "1Gi", "x": "1"}
    assert limits["max"]["cpu"] == "2"
    assert cells(LIMITRANGES, made(LIMITRANGES, spec={"limits": []})) == [NOW]


def test_cells() -> None:
    budget = made(PODDISRUPTIONBUDGETS, spec={"minAvailable": "50%", "selector": {}})
    assert budget["status"] == {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    assert cells(PODDISRUPTIONBUDGETS, budget) == ["50%", "N/A", 0]
    assert cells(PODDISRUPTIONBUDGETS, made(PODDISRUPTIONBUDGETS, spec={"maxUnavailable": 0})) == ["N/A", "0", 0]
    assert cells(LEASES, made(LEASES, spec={"holderIdentity": "me"})) == ["me"]
    assert cells(PRIORITYCLASSES, made(PRIORITYCLASSES, value=7)) == [7, False, "PreemptLowerPriority"]


@pytest.mark.parametrize(
    ("resource", "content", "words"),
    [
        (REPLICATIONCONTROLLERS, {"spec": {"selector": {"a": "b"}}}, "spec.template: Required value"),
        (
            REPLICATIONCONTROLLERS,
            {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
            "`selector` does not match template `labels`",
        ),
        (RESOURCEQUOTAS, {"spec": {"hard": {"cpus": "1"}}}, "must be a standard resource for quotas"),
        (RESOURCEQUOTAS, {"spec": {"hard": {"cpu": "-1"}}}, "must be greater than or equal to 0"),
        (RESOURCEQUOTAS, {"spec": {"hard": {"pods": "1500m"}}}, "spec.hard[pods]: Invalid value: "),
        (RESOURCEQUOTAS, {"spec": {"hard": {"cpu": "x"}}}, "quantities must match the regular expression"),
        (RESOURCEQUOTAS, {"spec": {"scopes": ["x"]}}, "unsupported scope"),
        (RESOURCEQUOTAS, {"spec": {"scopes": ["BestEffort", "NotBestEffort"]}}, "conflicting scopes"),
        (LIMITRANGES, {"spec": {"limits": [{}]}}, "spec.limits[0].type: Required value"),
        (LIMITRANGES, {"spec": {"limits": [{"type": "Pod"}, {"type": "Pod"}]}}, 'Duplicate value: "Pod"'),
        (
            LIMITRANGES,
            {"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}},
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        ),
        (LIMITRANGES, {"spec": {"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}}, "when `type` is 'Pod'"),
        (LIMITRANGES, {"spec": {"limits": [{"type": "PersistentVolumeClaim"}]}}, "either minimum or maximum storage"),
        (PODDISRUPTIONBUDGETS, {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, "cannot be both set"),
        (PODDISRUPTIONBUDGETS, {"spec": {"selector": {}, "minAvailable": "half"}}, "a valid percent string"),
        (PODDISRUPTIONBUDGETS, {"spec": {"minAvailable": "101%"}}, "must not be greater than 100%"),
        (PODDISRUPTIONBUDGETS, {"spec": {"unhealthyPodEvictionPolicy": "x"}}, '"AlwaysAllow", "IfHealthyBudget"'),
        (LEASES, {"spec": {"leaseDurationSeconds": 0}}, "must be greater than 0"),
        (LEASES, {"spec": {"leaseTransitions": -1}}, "must be greater than or equal to 0"),
        (PRIORITYCLASSES, {"value": 1_000_000_001}, "maximum allowed value of a user defined priority is 1000000000"),
        (PRIORITYCLASSES, {"preemptionPolicy": "x"}, '"Never", "PreemptLowerPriority"'),
    ],
)
def test_what_breaks_a_rule_is_refused(resource: Resource, content: Obj, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        made(resource, **content)
    assert caught.value.code == 422
    assert words in str(caught.value)


def test_the_systems_priorities_are_its_own() -> None:
    with pytest.raises(ApiError, match="prefix are reserved for system use only"):
        made(PRIORITYCLASSES, "system-mine", value=1)


@pytest.mark.parametrize(
    ("resource", "content", "change", "words"),
    [
        (PRIORITYCLASSES, {"value": 1}, {"value": 2}, "value: Forbidden: may not be changed in an update."),
        (RESOURCEQUOTAS, {"spec": {}}, {"spec": {"scopes": ["BestEffort"]}}, "field is immutable"),
        (REPLICATIONCONTROLLERS, {"spec": {"template": TEMPLATE}}, {"spec": None}, "spec: Required value"),
    ],
)
def test_what_may_not_change(resource: Resource, content: Obj, change: Obj, words: str) -> None:
    old = made(resource, **content)
    with pytest.raises(ApiError) as caught:
        prepare_update(resource, copy_of(old) | change, old, None)
    assert caught.value.code == 422
    assert words in str(caught.value)
