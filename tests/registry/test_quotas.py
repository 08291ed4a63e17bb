"""ResourceQuotas: what a namespace may use, in upstream's words, also of writes at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from k9lite.api.catalog import CONFIGMAPS, PODS, RESOURCEQUOTAS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.registry.registry import Registry


async def quota(registry: Registry, hard: dict[str, str], **spec: Any) -> None:
    await registry.create(RESOURCEQUOTAS, "default", {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})


def pod(name: str, **requests: str) -> Obj:
    container = {"name": "c", "image": "i", "resources": {"requests": requests}}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


async def refused(registry: Registry, obj: Obj) -> str:
    with pytest.raises(ApiError) as caught:
        await registry.create(PODS, "default", obj)
    assert caught.value.code == 403
    return str(caught.value)


async def test_no_more_pods_than_allowed(registry: Registry) -> None:
    await quota(registry, {"pods": "2"})
    answers = await asyncio.gather(
        *(registry.create(PODS, "default", pod(f"p{number}")) for number in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, ApiError) for answer in answers) == 3
    words = await refused(registry, pod("more"))
    assert words == 'pods "more" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    await registry.mutate(PODS, "default", "p0", _ended, subresource="status")
    await registry.create(PODS, "default", pod("more"))


def _ended(obj: Obj) -> Obj:
    obj["status"] = {**obj["status"], "phase": "Succeeded"}
    return obj


async def test_compute_is_summed_and_has_to_be_said(registry: Registry) -> None:
    await quota(registry, {"requests.cpu": "1", "requests.memory": "1Gi"})
    words = await refused(registry, pod("silent"))
    assert "failed quota: q: must specify requests.cpu for: c; requests.memory for: c" in words
    await registry.create(PODS, "default", pod("a", cpu="600m", memory="512Mi"))
    words = await refused(registry, pod("b", cpu="600m", memory="1Gi"))
    assert (
        "exceeded quota: q, requested: requests.cpu=600m,requests.memory=1Gi, "
        "used: requests.cpu=600m,requests.memory=512Mi, limited: requests.cpu=1,requests.memory=1Gi"
    ) in words
    await registry.create(PODS, "default", pod("c", cpu="400m", memory="512Mi"))


async def test_counts_of_any_kind_and_node_ports(registry: Registry) -> None:
    await quota(registry, {"configmaps": "1", "count/deployments.apps": "0", "services.nodeports": "1"})
    await registry.create(CONFIGMAPS, "default", {"metadata": {"name": "one"}})
    with pytest.raises(ApiError, match=r"exceeded quota: q, requested: configmaps=1, used: configmaps=1"):
        await registry.create(CONFIGMAPS, "default", {"metadata": {"name": "two"}})
    spec = {"type": "NodePort", "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    with pytest.raises(ApiError, match=r"requested: services.nodeports=2, used: services.nodeports=0"):
        await registry.create(SERVICES, "default", {"metadata": {"name": "s"}, "spec": spec})
    spec = {"type": "ClusterIP", "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    made = await registry.create(SERVICES, "default", {"metadata": {"name": "s"}, "spec": spec})
    changed = made.copy()
    changed["spec"]["type"] = "NodePort"
    with pytest.raises(ApiError, match=r"requested: services.nodeports=2"):
        await registry.update(SERVICES, "default", "s", changed)


async def test_scopes_choose_pods(registry: Registry) -> None:
    await quota(registry, {"pods": "0"}, scopes=["BestEffort"])
    assert "exceeded quota" in await refused(registry, pod("best-effort"))
    await registry.create(PODS, "default", pod("burstable", cpu="1"))


async def test_other_namespaces_are_free(registry: Registry) -> None:
    await quota(registry, {"pods": "0"})
    await registry.create(PODS, "kube-system", pod("a"))
