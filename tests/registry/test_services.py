"""Services: each cluster IP and node port is given once, and never lost."""

from __future__ import annotations

import asyncio

import pytest

from k9lite.api.catalog import SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.api.patch import MERGE
from k9lite.registry.registry import Registry
from tests.support.objects import service


async def test_services_get_addresses_and_ports_once(registry: Registry) -> None:
    made = [(await registry.create(SERVICES, "default", service(f"s{n}", type="NodePort"))).obj for n in range(4)]
    assert {obj["spec"]["ports"][0]["nodePort"] for obj in made} == {30000, 30001, 30002, 30003}
    assert len({obj["spec"]["clusterIP"] for obj in made}) == 4
    with pytest.raises(ApiError, match="range is full"):
        await registry.create(SERVICES, "default", service("full", type="NodePort"))
    with pytest.raises(ApiError, match="The range of valid ports is 30000-30003"):
        await registry.create(SERVICES, "default", service("far", type="NodePort", ports=[{"port": 1, "nodePort": 80}]))
    with pytest.raises(ApiError, match="provided port is already allocated"):
        await registry.create(
            SERVICES, "default", service("two", type="NodePort", ports=[{"port": 1, "nodePort": 30000}])
        )
    holder = next(obj for obj in made if obj["spec"]["ports"][0]["nodePort"] == 30000)["metadata"]["name"]
    await registry.delete(SERVICES, "default", holder)
    again = await registry.create(
        SERVICES, "default", service("two", type="NodePort", ports=[{"port": 1, "nodePort": 30000}])
    )
    kept = service("two", type="NodePort", ports=[{"port": 1}])
    assert (await registry.update(SERVICES, "default", "two", kept)).obj["spec"]["ports"][0]["nodePort"] == 30000
    assert again.obj["spec"]["clusterIP"] == kept["spec"]["clusterIP"]
    plain = service("two", ports=[{"port": 1}])
    assert "nodePort" not in (await registry.update(SERVICES, "default", "two", plain)).obj["spec"]["ports"][0]


async def test_services_created_at_once_never_share(registry: Registry) -> None:
    answers = await asyncio.gather(
        *(registry.create(SERVICES, "default", service(f"s{n}", type="NodePort")) for n in range(9)),
        return_exceptions=True,
    )
    made = [answer.obj["spec"]["ports"][0]["nodePort"] for answer in answers if not isinstance(answer, BaseException)]
    assert sorted(made) == [30000, 30001, 30002, 30003]


async def test_a_cancelled_create_keeps_what_it_wrote(registry: Registry) -> None:
    obj = service(type="NodePort", ports=[{"port": 80, "nodePort": 30001}])
    watch = registry.store.watch(SERVICES.key)
    creating = asyncio.create_task(registry.create(SERVICES, "default", obj))
    await asyncio.sleep(0)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    async with watch:
        assert (await anext(watch)).name == "web"
    with pytest.raises(ApiError, match="provided port is already allocated"):
        await registry.create(SERVICES, "default", service("two", type="NodePort", ports=obj["spec"]["ports"]))


async def test_a_failed_create_frees_what_it_took(registry: Registry) -> None:
    await registry.create(SERVICES, "default", service())
    for _ in range(6):
        with pytest.raises(ApiError, match="already exists"):
            await registry.create(SERVICES, "default", service(type="NodePort"))
    await registry.create(SERVICES, "default", service("two", type="NodePort"))


async def test_what_services_hold_is_known_again_after_a_restart(registry: Registry) -> None:
    made = (await registry.create(SERVICES, "default", service(type="NodePort"))).obj
    again = Registry(registry.store, registry.clock, service_cidr="10.96.0.0/24", node_ports=range(30000, 30004))
    with pytest.raises(ApiError, match="provided IP is already allocated"):
        await again.create(SERVICES, "default", service("two", clusterIP=made["spec"]["clusterIP"]))
    port = made["spec"]["ports"][0]["nodePort"]
    with pytest.raises(ApiError, match="provided port is already allocated"):
        await again.create(SERVICES, "default", service("two", type="NodePort", ports=[{"port": 80, "nodePort": port}]))


async def test_the_type_changes_without_naming_what_only_the_old_one_had(registry: Registry) -> None:
    made = (await registry.create(SERVICES, "default", service(type="NodePort"))).obj
    plain = (await registry.patch(SERVICES, "default", "web", MERGE, {"spec": {"type": "ClusterIP"}})).obj
    assert "nodePort" not in plain["spec"]["ports"][0]
    assert plain["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    alias = {"spec": {"type": "ExternalName", "externalName": "example.com"}}
    assert "clusterIP" not in (await registry.patch(SERVICES, "default", "web", MERGE, alias)).obj["spec"]
    taken = service("two", clusterIP=made["spec"]["clusterIP"])
    assert (await registry.create(SERVICES, "default", taken)).obj["spec"]["clusterIP"] == made["spec"]["clusterIP"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "Magic"}, 'spec.type: Unsupported value: "Magic"'),
        ({"type": "ExternalName", "externalName": "x", "clusterIP": "10.96.0.1"},
         "may not be set for ExternalName services"),
        ({"clusterIP": "10.1.2.3"}, "the provided IP is not in the valid range 10.96.0.0/24"),
        ({"clusterIP": "nonsense"}, "must be a valid IP address"),
        ({"ports": []}, "spec.ports: Required value"),
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}, 'spec.ports[1].name: Duplicate value: "a"'),
        ({"ports": [{"port": 80, "nodePort": 30001}]}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
         'Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. '
         "The range of valid ports is 30000-30003"),
        ({"ports": [{"port": 80, "targetPort": "Bad_Name"}]}, "must contain only alpha-numeric characters"),
        ({"selector": {"a": "b c"}}, "a valid label must be an empty string"),
    ],
)  # fmt: skip
async def test_invalid_services_are_explained(registry: Registry, spec: Obj, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        await registry.create(SERVICES, "default", service(**spec))
    assert caught.value.code == 422
    assert message in caught.value.message


async def test_a_cluster_ip_stays(registry: Registry) -> None:
    await registry.create(SERVICES, "default", service())
    with pytest.raises(ApiError, match="may not change once set"):
        await registry.patch(SERVICES, "default", "web", MERGE, {"spec": {"clusterIP": "10.96.0.77"}})
