"""metrics.k8s.io over the wire."""

from __future__ import annotations

import pytest

from k9lite.api.objects import Obj
from tests.apiserver.secured import Secured

METRICS = "/apis/metrics.k8s.io/v1beta1"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def pod(name: str, namespace: str = "default", **labels: str) -> Obj:
    containers = [
        {"name": "a", "usage": {"cpu": "1500000n", "memory": "1024Ki"}},
        {"name": "b", "usage": {"cpu": "2m", "memory": "1Mi"}},
    ]
    metadata = {"name": name, "namespace": namespace, "labels": labels, "creationTimestamp": "2024-01-01T00:00:00Z"}
    return {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": metadata,
        "timestamp": "2024-01-01T00:00:00Z",
        "window": "15s",
        "containers": containers,
    }


@pytest.fixture
def measured(server: Secured) -> Secured:
    server.measured.pods = [pod("x", app="web"), pod("y"), pod("z", "kube-system")]
    server.measured.nodes = [
        {
            "kind": "NodeMetrics",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {"name": "here"},
            "window": "15s",
            "usage": {"cpu": "1", "memory": "5Mi"},
        }
    ]
    return server


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("pods", ["x", "y", "z"]),
        ("namespaces/default/pods", ["x", "y"]),
        ("namespaces/none/pods", []),
        ("pods?labelSelector=app%3Dweb", ["x"]),
        ("pods?fieldSelector=metadata.name%3Dy", ["y"]),
        ("nodes", ["here"]),
    ],
)
async def test_lists(measured: Secured, path: str, names: list[str]) -> None:
    answer = await measured.ok("GET", f"{METRICS}/{path}")
    assert answer["kind"] == ("NodeMetricsList" if path == "nodes" else "PodMetricsList")
    assert [item["metadata"]["name"] for item in answer["items"]] == names


async def test_one(measured: Secured) -> None:
    assert (await measured.ok("GET", f"{METRICS}/namespaces/default/pods/x"))["containers"][0]["usage"][
        "cpu"
    ] == "1500000n"
    assert (await measured.ok("GET", f"{METRICS}/nodes/here"))["usage"]["cpu"] == "1"
    code, answer = await measured.call("GET", f"{METRICS}/namespaces/default/pods/absent")
    assert (code, answer["message"]) == (404, 'pods.metrics.k8s.io "absent" not found')


async def test_as_a_table(measured: Secured) -> None:
    answer = await measured.ok("GET", f"{METRICS}/pods", headers=TABLE)
    assert [column["name"] for column in answer["columnDefinitions"]] == ["Name", "CPU", "Memory", "Window"]
    assert answer["rows"][0]["cells"] == ["x", "4m", "2048Ki", "15s"]


async def test_what_is_not_done(measured: Secured) -> None:
    for method, path in (("POST", "pods"), ("DELETE", "nodes/here"), ("GET", "pods?watch=true")):
        assert (await measured.call(method, f"{METRICS}/{path}", {} if method == "POST" else None))[0] in (404, 405)
    resources = (await measured.ok("GET", METRICS))["resources"]
    assert [(each["name"], each["kind"], each["verbs"]) for each in resources] == [
        ("pods", "PodMetrics", ["get", "list"]),
        ("nodes", "NodeMetrics", ["get", "list"]),
    ]


async def test_who_may_see_figures(measured: Secured) -> None:
    token = await measured.token("view", "default")
    await measured.ok("GET", f"{METRICS}/namespaces/default/pods", token=token)
    message = await measured.refused("GET", f"{METRICS}/nodes", token=token)
    assert 'nodes.metrics.k8s.io is forbidden: User "k9lite:token:' in message
