"""Claims, volumes, storage classes, ingresses and their classes: defaults, rules, cells."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.catalog import (
    INGRESSCLASSES,
    INGRESSES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    STATEFULSETS,
    STORAGECLASSES,
)
from k9lite.api.errors import ApiError
from k9lite.api.meta import prepare_update
from k9lite.api.objects import Obj, copy_of
from k9lite.api.resources import Resource
from tests.api.test_policy_kinds import cells, made

CLAIM: Obj = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
VOLUME: Obj = {
    "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
    "capacity": {"storage": "1Gi"},
    "hostPath": {"path": "/x"},
}


def ingress(**path: Any) -> Obj:
    service = {"service": {"name": "web", "port": {"number": 80}}}
    return {
        "rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": service} | path]}}]
    }


def test_claims_and_volumes() -> None:
    claim = made(PERSISTENTVOLUMECLAIMS, spec={**CLAIM, "storageClassName": "fast"})
    assert (claim["spec"]["volumeMode"], claim["spec"]["resources"]["requests"]) == ("Filesystem", {"storage": "1Gi"})
    assert cells(PERSISTENTVOLUMECLAIMS, claim) == ["Pending", "", "", "", "fast", "<unset>", "Filesystem"]
    claim["spec"]["volumeName"] = "v"
    claim["status"] = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}}
    assert cells(PERSISTENTVOLUMECLAIMS, claim)[:4] == ["Bound", "v", "2Gi", "RWO"]
    volume = made(PERSISTENTVOLUMES, spec={**VOLUME, "claimRef": {"namespace": "n", "name": "c"}})
    assert cells(PERSISTENTVOLUMES, volume) == [
        "1Gi", "RWO,ROX", "Retain", "Pending", "n/c", "", "<unset>", "", "Filesystem",
    ]  # fmt: skip


def test_a_default_storage_class_is_marked() -> None:
    made_class = made(STORAGECLASSES, provisioner="a/b")
    assert cells(STORAGECLASSES, made_class) == ["a/b", "Delete", "Immediate", "false"]
    made_class["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert STORAGECLASSES.row(made_class, 0.0)[0] == "x (default)"


def test_ingresses() -> None:
    made_ingress = made(INGRESSES, spec=ingress())
    assert made_ingress["status"] == {"loadBalancer": {}}
    assert cells(INGRESSES, made_ingress) == ["<none>", "a.b", "", "80"]
    spec: Obj = {"rules": [{"host": f"{letter}.x"} for letter in "abcd"], "tls": [{}], "ingressClassName": "c"}
    made_ingress = made(INGRESSES, spec=spec)
    made_ingress["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "h"}]}}
    assert cells(INGRESSES, made_ingress) == ["c", "a.x,b.x,c.x + 1 more...", "1.2.3.4,h", "80, 443"]
    parameters = {"apiGroup": "g.io", "kind": "P", "name": "n"}
    made_class = made(INGRESSCLASSES, spec={"controller": "k9lite.io/ingress", "parameters": parameters})
    assert cells(INGRESSCLASSES, made_class) == ["k9lite.io/ingress", "P.g.io/n"]


@pytest.mark.parametrize(
    ("resource", "content", "words"),
    [
        (PERSISTENTVOLUMECLAIMS, {}, "spec: Required value"),
        (PERSISTENTVOLUMECLAIMS, {"spec": {**CLAIM, "accessModes": []}}, "at least 1 access mode is required"),
        (PERSISTENTVOLUMECLAIMS, {"spec": {**CLAIM, "accessModes": ["RWO"]}}, 'Unsupported value: "RWO"'),
        (PERSISTENTVOLUMECLAIMS, {"spec": {**CLAIM, "resources": {}}}, "spec.resources[storage]: Required value"),
        (PERSISTENTVOLUMECLAIMS, {"spec": {**CLAIM, "volumeMode": "x"}}, '"Block", "Filesystem"'),
        (
            PERSISTENTVOLUMECLAIMS,
            {"spec": {**CLAIM, "resources": {"requests": {"storage": "0"}}}},
            "must be greater than zero",
        ),
        (PERSISTENTVOLUMES, {"spec": {**VOLUME, "hostPath": None}}, "spec: Required value: must specify a volume type"),
        (PERSISTENTVOLUMES, {"spec": {**VOLUME, "nfs": {}}}, "may not specify more than 1 volume type"),
        (PERSISTENTVOLUMES, {"spec": {**VOLUME, "capacity": {"cpu": "1"}}}, 'supported values: "storage"'),
        (
            PERSISTENTVOLUMES,
            {"spec": {**VOLUME, "persistentVolumeReclaimPolicy": "x"}},
            '"Delete", "Recycle", "Retain"',
        ),
        (STORAGECLASSES, {}, "provisioner: Required value"),
        (STORAGECLASSES, {"provisioner": "p", "volumeBindingMode": "x"}, '"Immediate", "WaitForFirstConsumer"'),
        (INGRESSES, {"spec": {}}, "either `defaultBackend` or `rules` must be specified"),
        (INGRESSES, {"spec": ingress(pathType=None)}, "spec.rules[0].http.paths[0].pathType: Required value"),
        (INGRESSES, {"spec": ingress(pathType="x")}, '"Exact", "ImplementationSpecific", "Prefix"'),
        (INGRESSES, {"spec": ingress(path="a")}, 'paths[0].path: Invalid value: "a": must be an absolute path'),
        (INGRESSES, {"spec": ingress(path="/a//b")}, "must not contain '//'"),
        (INGRESSES, {"spec": ingress(path="/a/..")}, "cannot end with '/..'"),
        (INGRESSES, {"spec": ingress(backend={})}, "resource or service backend is required"),
        (INGRESSES, {"spec": ingress(backend={"service": {"name": "a"}})}, "port name or number is required"),
        (INGRESSES, {"spec": {"rules": [{"host": "1.2.3.4"}]}}, "must be a DNS name, not an IP address"),
        (INGRESSES, {"spec": {"rules": [{"http": {}}]}}, "spec.rules[0].http.paths: Required value"),
        (INGRESSCLASSES, {"spec": {"controller": "x"}}, "must be a domain-prefixed path"),
    ],
)
def test_what_breaks_a_rule_is_refused(resource: Resource, content: Obj, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        made(resource, **content)
    assert caught.value.code == 422
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("resource", "content", "change", "words"),
    [
        (
            PERSISTENTVOLUMECLAIMS,
            {"spec": CLAIM},
            {"spec": {**CLAIM, "accessModes": ["ReadWriteMany"]}},
            "spec: Forbidden: spec is immutable after creation except resources.requests",
        ),
        (PERSISTENTVOLUMES, {"spec": VOLUME}, {"spec": {**VOLUME, "volumeMode": "Block"}}, "field is immutable"),
        (
            PERSISTENTVOLUMES,
            {"spec": VOLUME},
            {"spec": {**VOLUME, "hostPath": {"path": "/y"}}},
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation",
        ),
        (
            STORAGECLASSES,
            {"provisioner": "a"},
            {"provisioner": "b"},
            "provisioner: Forbidden: updates to provisioner are forbidden.",
        ),
        (
            INGRESSCLASSES,
            {"spec": {"controller": "a.b/c"}},
            {"spec": {"controller": "a.b/d"}},
            "spec.controller: Invalid value",
        ),
    ],
)
def test_what_may_not_change(resource: Resource, content: Obj, change: Obj, words: str) -> None:
    old = made(resource, **content)
    with pytest.raises(ApiError) as caught:
        prepare_update(resource, copy_of(old) | change, old, None)
    assert caught.value.code == 422
    assert words in str(caught.value)


def test_a_bound_claim_may_grow_and_not_shrink() -> None:
    old = made(PERSISTENTVOLUMECLAIMS, spec={**CLAIM, "volumeName": "v"})
    old["status"] = {"phase": "Bound"}

    def asking(size: str) -> Obj:
        return copy_of(old) | {"spec": copy_of(old["spec"]) | {"resources": {"requests": {"storage": size}}}}

    prepare_update(PERSISTENTVOLUMECLAIMS, asking("3Gi"), old, None)
    with pytest.raises(ApiError, match="field can not be less than"):
        prepare_update(PERSISTENTVOLUMECLAIMS, asking("1Mi"), old, None)


def test_an_update_without_its_spec_is_refused_by_its_own_rule() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    old = made(STATEFULSETS, spec={"selector": {"matchLabels": {"a": "b"}}, "template": template})
    new = copy_of(old)
    del new["spec"]
    with pytest.raises(ApiError, match="spec: Required value"):
        prepare_update(STATEFULSETS, new, old, None)
