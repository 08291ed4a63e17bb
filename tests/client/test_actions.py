"""What the actions build and refuse."""

from __future__ import annotations

import pytest

from k9lite.api.catalog import DEPLOYMENTS, PODS
from k9lite.api.objects import Obj
from k9lite.client import actions
from k9lite.client.changes import changes
from tests.support.server import Server


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("docker.io/library/nginx:1.27@sha256:abc", "nginx"),
        ("localhost:5000/My_App:1", "my-app"),
        ("host", "host"),
        ("a/b.c", "b-c"),
    ],
)
def test_containers_are_named_after_their_image(image: str, name: str) -> None:
    assert actions.container_name(image) == name


def test_a_deployment_as_kubectl_makes_it() -> None:
    made = actions.deployment_object("web", "nginx:1", replicas=2, port=80, command=["run", "it"])
    assert made["spec"] == {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {"name": "nginx", "image": "nginx:1", "command": ["run", "it"], "ports": [{"containerPort": 80}]}
                ]
            },
        },
    }


def test_host_needs_a_command() -> None:
    with pytest.raises(actions.ActionError, match="needs a command: create deployment x --image=host -- PROGRAM"):
        actions.deployment_object("x", "host")


def test_a_service_takes_ports_and_labels_of_what_it_exposes() -> None:
    exposed = {**actions.deployment_object("web", "nginx", port=8080), "kind": "Deployment"}
    made = actions.service_object(exposed, service_type="NodePort", node_port=30080)
    assert made["spec"] == {
        "selector": {"app": "web"},
        "ports": [{"port": 8080, "protocol": "TCP", "targetPort": 8080, "nodePort": 30080}],
        "type": "NodePort",
    }
    assert made["metadata"] == {"name": "web", "labels": {"app": "web"}}


@pytest.mark.parametrize(
    ("exposed", "words"),
    [
        (actions.deployment_object("web", "nginx"), "couldn't find port via --port flag or introspection"),
        (
            {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"ports": [{"containerPort": 1}]}]}},
            "no labels",
        ),
        (
            {
                "kind": "Node",
                "metadata": {"name": "n"},
                "spec": {"template": {"spec": {"containers": [{"ports": [{"containerPort": 1}]}]}}},
            },
            "cannot expose a Node",
        ),
    ],
)
def test_what_cannot_be_exposed(exposed: Obj, words: str) -> None:
    with pytest.raises(actions.ActionError, match=words):
        actions.service_object(exposed)


async def test_actions_on_a_server(server: Server) -> None:
    client = server.client
    await actions.create_deployment(client, "default", "web", "nginx", port=80)
    service = await actions.expose(client, DEPLOYMENTS, "default", "web", service_type="NodePort")
    assert 30000 <= service["spec"]["ports"][0]["nodePort"] <= 32767
    await actions.scale(client, DEPLOYMENTS, "default", "web", 4, current=1)
    with pytest.raises(actions.ActionError, match="Expected replicas to be 1, was 4"):
        await actions.scale(client, DEPLOYMENTS, "default", "web", 5, current=1)
    with pytest.raises(actions.ActionError, match="greater than or equal to 0"):
        await actions.scale(client, DEPLOYMENTS, "default", "web", -1)
    await actions.restart(client, DEPLOYMENTS, "default", "web", now=0)
    changed = await client.get(DEPLOYMENTS, "default", "web")
    assert changed["spec"]["template"]["metadata"]["annotations"] == {actions.RESTARTED_AT: "1970-01-01T00:00:00Z"}
    with pytest.raises(actions.ActionError, match="a Pod cannot be scaled"):
        await actions.scale(client, PODS, "default", "x", 1)


def test_changes_are_told_in_few_words() -> None:
    old = {"kind": "Deployment", "spec": {"replicas": 3}, "status": {"readyReplicas": 3, "updatedReplicas": 3}}
    new = {"kind": "Deployment", "spec": {"replicas": 10}, "status": {"readyReplicas": 4, "updatedReplicas": 10}}
    assert [str(each) for each in changes(old, new)] == [
        "replicas 3 -> 10",
        "ready 3/3 -> 4/10",
        "up-to-date 3/3 -> 10/10",
    ]
    assert [str(each) for each in changes(None, {"kind": "Pod", "status": {"phase": "Pending"}})] == [
        "status Pending",
        "ready 0/0",
    ]
    gone = {"kind": "Pod", "metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}
    assert "status Running -> Terminating" in [
        str(each) for each in changes({"kind": "Pod", "status": {"phase": "Running"}}, gone)
    ]
