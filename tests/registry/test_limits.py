"""LimitRanges at admission."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.catalog import LIMITRANGES, PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.registry.registry import Registry


def pod(**resources: Any) -> Obj:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}


async def limit(registry: Registry, **item: Any) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", **item}]}}
    await registry.create(LIMITRANGES, "default", body)


async def test_what_is_left_out_is_filled_in(registry: Registry) -> None:
    await limit(registry, default={"cpu": "500m"}, defaultRequest={"cpu": "100m", "memory": "1Gi"})
    made = (await registry.create(PODS, "default", pod())).obj
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "500m"},
    }  # fmt: skip
    assert made["status"]["qosClass"] == "Burstable"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c"
    )


@pytest.mark.parametrize(
    ("item", "resources", "message"),
    [
        ({"max": {"memory": "1Gi"}}, {"limits": {"memory": "2Gi"}},
         'pods "p" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'),
        ({"min": {"cpu": "100m"}}, {"requests": {"cpu": "50m"}},
         'pods "p" is forbidden: minimum cpu usage per Container is 100m, but request is 50m'),
        ({"type": "Pod", "max": {"cpu": "1"}}, {},
         'pods "p" is forbidden: maximum cpu usage per Pod is 1.  No limit is specified'),
        ({"maxLimitRequestRatio": {"cpu": "2"}}, {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
         'pods "p" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000'),
    ],
)  # fmt: skip
async def test_what_is_out_of_bounds_is_refused(registry: Registry, item: Any, resources: Any, message: str) -> None:
    await limit(registry, **item)
    with pytest.raises(ApiError) as raised:
        await registry.create(PODS, "default", pod(**resources))
    assert (raised.value.code, str(raised.value)) == (403, message)


async def test_other_namespaces_are_free(registry: Registry) -> None:
    await limit(registry, max={"cpu": "1"})
    made = (await registry.create(PODS, "kube-system", pod(limits={"cpu": "9"}))).obj
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "9"}
