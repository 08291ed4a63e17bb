"""What a container finds in its environment."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from k9lite.api.catalog import CONFIGMAPS, SECRETS
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.engines.base import CreateError
from k9lite.engines.expansion import expand_env
from k9lite.node.container_spec import container_spec
from k9lite.node.environment import environment
from k9lite.node.heartbeat import capacity
from tests.node.conftest import Rig
from tests.support.wait import eventually

POD: Obj = {"metadata": {"name": "p", "namespace": "n", "uid": "u", "annotations": {"a": "$(b)"}}, "spec": {}}


def coded(value: bytes) -> str:
    return base64.b64encode(value).decode()


OBJECTS: dict[tuple[str, str, str], Obj] = {
    (CONFIGMAPS.key, "n", "config"): {"data": {"color": "blue", "cost": "$5 $(color) $$"}},
    (SECRETS.key, "n", "secret"): {"data": {"word": coded(b"hush"), "raw": coded(b"\xff"), "nul": coded(b"a\0b")}},
}


def read(resource: Resource, namespace: str, name: str) -> Obj | None:
    return OBJECTS.get((resource.key, namespace, name))


def seen(**container: Any) -> dict[str, str]:
    """The environment as a process sees it."""
    return expand_env(environment(POD, {"name": "c", **container}, "10.0.0.1", read), {})


def ref(kind: str, name: str, key: str, **more: Any) -> Obj:
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": key, **more}}}


def test_values_come_from_config_maps_and_secrets_and_stay_as_they_are() -> None:
    assert seen(env=[ref("configMapKeyRef", "config", "color")]) == {"V": "blue"}
    assert seen(env=[ref("secretKeyRef", "secret", "word")]) == {"V": "hush"}
    assert seen(env=[ref("configMapKeyRef", "config", "cost")]) == {"V": "$5 $(color) $$"}
    entries = [ref("configMapKeyRef", "config", "cost"), {"name": "W", "value": "at $(V)"}]
    assert seen(env=entries)["W"] == "at $5 $(color) $$"


def test_env_wins_over_env_from() -> None:
    sources = [{"prefix": "P_", "configMapRef": {"name": "config"}}, {"configMapRef": {"name": "config"}}]
    env = seen(envFrom=sources, env=[{"name": "color", "value": "red"}])
    assert env == {"P_color": "blue", "P_cost": "$5 $(color) $$", "color": "red", "cost": "$5 $(color) $$"}


def test_what_is_optional_may_be_absent() -> None:
    assert seen(env=[ref("secretKeyRef", "none", "k", optional=True)]) == {}
    assert seen(env=[ref("configMapKeyRef", "config", "none", optional=True)]) == {}
    assert seen(envFrom=[{"secretRef": {"name": "none", "optional": True}}]) == {}


def test_resources_in_units_of_the_divisor() -> None:
    resources = {"limits": {"cpu": "1500m", "memory": "64Mi"}}

    def value(resource: str, **more: str) -> str:
        reference = {"resource": resource, **more}
        return seen(resources=resources, env=[{"name": "V", "valueFrom": {"resourceFieldRef": reference}}])["V"]

    assert [value("limits.cpu"), value("limits.cpu", divisor="1m"), value("limits.memory", divisor="1Mi")] == [
        "2", "1500", "64",
    ]  # fmt: skip
    assert value("requests.cpu") == "0"
    resources = {}
    assert value("limits.cpu") == capacity()["cpu"]


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"env": [ref("configMapKeyRef", "none", "k")]}, 'configmap "none" not found'),
        ({"env": [ref("secretKeyRef", "none", "k")]}, 'secret "none" not found'),
        ({"env": [ref("configMapKeyRef", "config", "none")]}, "couldn't find key none in ConfigMap n/config"),
        ({"env": [ref("secretKeyRef", "secret", "none")]}, "couldn't find key none in Secret n/secret"),
        ({"env": [ref("secretKeyRef", "secret", "raw")]}, "key raw of secret secret is no UTF-8 text"),
        ({"env": [ref("secretKeyRef", "secret", "nul")]}, "the value of variable V has a NUL character"),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"envFrom": [{}]}, "envFrom names neither"),
        ({"env": [{"name": "V", "valueFrom": {"fileKeyRef": {}}}]}, "fileKeyRef is nothing that a variable can be"),
    ],
)
def test_what_cannot_be_had(container: Obj, words: str) -> None:
    with pytest.raises(CreateError) as caught:
        seen(**container)
    assert caught.value.reason == "CreateContainerConfigError"
    assert words in str(caught.value)


def test_volumes_are_refused() -> None:
    container = {"name": "c", "image": "host", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    with pytest.raises(CreateError, match="NotImplementedYet: container c mounts data, and k9lite has no volumes yet"):
        container_spec(POD, container, 0, "", read)


async def test_a_pod_says_what_it_lacks_and_runs_with_it(node: Rig) -> None:
    env = [{"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "color"}}}]
    await node.pod("p", "sh", "-c", "echo $COLOR $WORD", env=env, envFrom=[{"secretRef": {"name": "s"}}],
                   spec={"restartPolicy": "Never"})  # fmt: skip
    waiting = await eventually(lambda: (node.container("p").get("state") or {}).get("waiting", {}).get("message"))
    assert waiting == 'secret "s" not found'
    assert node.container("p")["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    await eventually(lambda: ("Failed", 'Error: secret "s" not found') in node.events("p"))
    await node.registry.create(SECRETS, "default", {"metadata": {"name": "s"}, "stringData": {"WORD": "hush"}})
    await node.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "late"}, "data": {"color": "blue"}})
    await node.delete("p", grace=0)
    await node.gone("p")
    await node.pod("p", "sh", "-c", "echo $COLOR $WORD", env=env, envFrom=[{"secretRef": {"name": "s"}}],
                   spec={"restartPolicy": "Never"})  # fmt: skip
    await node.phase("p", "Succeeded")
    assert await node.log("p") == "blue hush\n"
