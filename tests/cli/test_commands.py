"""Every command against a real API server in this process: what it prints, and its exit code."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from k9lite.api.catalog import DEPLOYMENTS, EVENTS, LIMITRANGES, PODS, RESOURCEQUOTAS
from k9lite.api.objects import Obj
from k9lite.cli.main import run
from tests.cli.conftest import Command
from tests.client.test_client import pod
from tests.support.server import Server


async def test_create_get_scale_expose_and_delete(command: Command) -> None:
    assert await command("create", "deployment", "web", "--image=nginx", "--port", "80", "--", "a", "b") == (
        0, "deployment.apps/web created\n", "",
    )  # fmt: skip
    assert (await command("create", "deployment", "web", "--image=nginx"))[::2] == (
        1, 'Error: deployments.apps "web" already exists\n',
    )  # fmt: skip
    assert (await command("scale", "deploy/web", "--replicas=3"))[1] == "deployment.apps/web scaled\n"
    assert (await command("expose", "deployment", "web", "--type=nodeport"))[1] == "service/web exposed\n"
    code, out, _ = await command("get", "deploy")
    header, row = out.splitlines()
    assert (code, header) == (0, "NAME   READY   UP-TO-DATE   AVAILABLE   AGE")
    assert re.fullmatch(r"web    0/3     0            0           \d+s", row)
    got = json.loads((await command("get", "deploy", "web", "-o", "json"))[1])
    assert got["spec"]["template"]["spec"]["containers"][0]["command"] == ["a", "b"]
    assert (await command("get", "deploy,svc", "-o", "name"))[1] == (
        "deployment.apps/web\nservice/kubernetes\nservice/web\n"
    )
    assert (await command("rollout", "restart", "deploy", "web"))[1] == "deployment.apps/web restarted\n"
    assert (await command("delete", "svc/web", "deploy/web"))[
        1
    ] == 'service "web" deleted\ndeployment.apps "web" deleted\n'
    assert await command("get", "deploy") == (0, "", "No resources found in default namespace.\n")


def ageless(text: str) -> str:
    return re.sub(r"\b\d+s$", "AGE", text, flags=re.MULTILINE)


async def test_several_kinds_are_told_apart(command: Command, server: Server) -> None:
    await server.client.create(PODS, "default", pod("a", app="x"))
    await server.client.create(PODS, "kube-system", pod("b"))
    _, out, _ = await command("get", "all")
    assert ageless(out).splitlines()[:3] == [
        "NAME    READY   STATUS    RESTARTS   AGE",
        "pod/a   0/1     Pending   0          AGE",
        "",
    ]
    assert ageless((await command("get", "pods", "-A", "--no-headers"))[1]) == (
        "default       a     0/1   Pending   0     AGE\nkube-system   b     0/1   Pending   0     AGE\n"
    )
    assert (await command("get", "pods", "-l", "app=x", "--show-labels"))[1].splitlines()[1].endswith("   app=x")
    assert (await command("get", "pods", "-n", "kube-system", "-o", "name"))[1] == "pod/b\n"
    assert (await command("get", "pods", "-A", "--field-selector", "metadata.name=b", "-o", "name"))[1] == "pod/b\n"


async def test_names_that_are_not_there(command: Command, server: Server) -> None:
    await server.client.create(PODS, "default", pod("a"))
    code, out, err = await command("get", "pods", "a", "b", "-o", "name")
    assert (code, out, err) == (1, "pod/a\n", 'Error: pods "b" not found\n')
    assert await command("get", "pod", "b", "--ignore-not-found") == (0, "", "")


MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


async def test_apply_and_delete_files(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MANIFEST)
    assert await command("apply", "-f", str(path)) == (0, "namespace/shop created\nservice/web created\n", "")
    path.write_text(MANIFEST.replace("port: 80", "port: 81"))
    assert await command("apply", "-f", str(path)) == (0, "namespace/shop unchanged\nservice/web configured\n", "")
    code, _, err = await command("create", "-f", str(path))
    assert code == 1
    assert err.splitlines()[1] == f'Error: {path}:6: services "web" already exists'
    assert (await command("apply", "-f", str(path), "-n", "other"))[2].startswith(
        f'Error: {path}:6: the namespace from the provided object "shop" does not match the namespace "other".'
    )
    path.write_text("apiVersion: v9\nkind: Foo\nmetadata: {name: x}\n")
    assert f'{path}:1: no matches for kind "Foo" in version "v9"' in (await command("apply", "-f", str(path)))[2]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["get"], "You must specify the type of resource to get\nSee 'k9lite get --help' for usage.\n"),
        (["get", "pods", "-o", "xml"], 'unable to match a printer suitable for the output format "xml": use wide'),
        (["get", "nonsense"], 'the server doesn\'t have a resource type "nonsense"\n'),
        (["get", "pods", "a/b"], "there is no need to specify a resource type as a separate argument"),
        (["get", "pods", "a", "-l", "x=y"], "name cannot be provided when a selector is specified"),
        (["get", "pods", "-l", "=,"], "unable to parse requirement"),
        (["scale", "deploy", "x"], 'required flag(s) "replicas" not set'),
        (["scale", "deploy", "x", "--replicas=-1"], "The --replicas=COUNT flag is required, and COUNT must be"),
        (["scale", "deploy", "x", "--replicas=many"], "argument --replicas: invalid int value: 'many'"),
        (["create", "deployment", "x"], 'required flag(s) "image" not set\n'),
        (
            ["create", "deployment", "x", "--image=host"],
            "--image=host runs a program of this machine and needs a command",
        ),
        (["create", "thing", "x"], "unknown resource 'thing'; create a deployment or a namespace, or pass -f FILE"),
        (["create", "-f", "/absent.yaml"], 'the path "/absent.yaml" does not exist\n'),
        (["expose", "deploy", "absent", "--port=80"], 'deployments.apps "absent" not found\n'),
        (["expose", "deploy", "x", "--type=Odd"], 'invalid service type "Odd"'),
        (["delete", "pods"], "resource(s) were provided, but no name was specified"),
        (["delete", "pod", "absent"], 'pods "absent" not found\n'),
        (["delete", "pods", "--all", "--timeout=soon"], 'invalid argument "soon" for "--timeout"'),
        (["logs"], "expected 'logs [-f] (POD | TYPE/NAME)"),
        (["logs", "absent"], 'pods "absent" not found\n'),
        (["get", "pods", "--", "x"], "unexpected arguments after --: x"),
        (["gte", "pods"], "unknown command 'gte'; did you mean 'get'?"),
        (["demo"], "the demo runs k9lite/whoami, which only the local cluster has"),
    ],
)
async def test_mistakes(command: Command, words: list[str], error: str) -> None:
    code, out, err = await command(*words)
    assert (code, out) == (1, "")
    assert err.startswith("Error: " + error), err


async def test_a_server_that_is_away(command: Command, server: Server) -> None:
    await server.stop_listening()
    code, _, err = await command("get", "pods")
    assert code == 1
    assert err.startswith(f"Error: the server http://127.0.0.1:{server.port} cannot be reached: ")


async def test_delete_waits_until_the_object_is_gone(command: Command, server: Server) -> None:
    held = pod("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    made = await server.client.create(PODS, "default", held)
    deleting = asyncio.ensure_future(command("delete", "pod", "a", "--force"))
    async for _, obj in server.client.watch(PODS, "default", since=made["metadata"]["resourceVersion"]):
        if obj["metadata"].get("deletionTimestamp"):
            break
    assert not deleting.done()
    await server.client.patch(PODS, "default", "a", {"metadata": {"finalizers": None}})
    code, out, err = await deleting
    assert (code, out) == (0, 'pod "a" force deleted\n')
    assert err.startswith("Warning: Immediate deletion")
    await server.client.create(PODS, "default", held)
    code, _, err = await command("delete", "pod", "a", "--timeout=50ms", "--grace-period=1")
    assert (code, err) == (1, "Error: timed out waiting for the condition on pods/a; it is still being deleted\n")


async def test_logs(command: Command, server: Server) -> None:
    await server.client.create(PODS, "default", pod("a", app="web"))
    server.logs.lines["a"] = [b"one\n", b"two\n"]
    assert (await command("logs", "a"))[1] == "one\ntwo\n"
    assert (await command("logs", "pod/a", "--tail=1", "--prefix"))[1] == "[pod/a/c] two\n"
    assert (await command("logs", "-l", "app=web"))[1] == "one\ntwo\n"
    assert (await command("logs", "a", "-c", "nope"))[2] == "Error: container nope is not valid for pod a; it has c\n"


async def test_describe_a_deployment(command: Command, server: Server) -> None:
    await command("create", "deployment", "web", "--image=nginx", "--port=80", "--replicas=2")
    made = await server.client.get(DEPLOYMENTS, "default", "web")
    await server.client.create(EVENTS, "default", event_about(made))
    code, out, err = await command("describe", "deployment", "web")
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if not line.startswith("CreationTimestamp")]
    assert lines == [
        "Name:                   web",
        "Namespace:              default",
        "Labels:                 app=web",
        "Annotations:            <none>",
        "Selector:               app=web",
        "Replicas:               2 desired | 0 updated | 0 total | 0 available | 0 unavailable",
        "StrategyType:           RollingUpdate",
        "MinReadySeconds:        0",
        "RollingUpdateStrategy:  25% max unavailable, 25% max surge",
        "Pod Template:",
        "  Labels:  app=web",
        "  Containers:",
        "   nginx:",
        "    Image:         nginx",
        "    Port:          80/TCP",
        "    Host Port:     0/TCP",
        "    Environment:   <none>",
        "    Mounts:        <none>",
        "  Volumes:         <none>",
        "  Node-Selectors:  <none>",
        "  Tolerations:     <none>",
        "OldReplicaSets:    <none>",
        "NewReplicaSet:     <none>",
        "Events:",
        "  Type    Reason  Age        From  Message",
        "  ----    ------  ----       ----  -------",
        "  Normal  Tested  <unknown>  test  all is well",
    ]


def event_about(obj: Obj) -> Obj:
    metadata = obj["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Normal",
        "reason": "Tested",
        "message": "all is well",
        "source": {"component": "test"},
    }


@pytest.mark.parametrize("kind", ["pod/a", "svc/kubernetes", "ns/default", "deploy", "rs", "nodes", "events", "ep"])
async def test_every_kind_can_be_described(command: Command, server: Server, kind: str) -> None:
    await server.client.create(PODS, "default", pod("a"))
    code, _, err = await command("describe", kind)
    assert code == 0, err
    assert not err or err.startswith("No resources found")


async def test_a_context_of_the_kubeconfig_may_be_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config"
    path.write_text(
        f"clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{server.port}'}}}}]\n"
        "contexts: [{name: here, context: {cluster: c, namespace: kube-system}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    await server.client.create(PODS, "kube-system", pod("b"))
    assert await asyncio.to_thread(run, ["--context", "here", "get", "pods", "-o", "name"]) == 0
    assert capsys.readouterr().out == "pod/b\n"
    assert await asyncio.to_thread(run, ["get", "pods", "--context=there"]) == 1
    assert 'context "there" does not exist; there is here' in capsys.readouterr().err


async def test_a_namespace_is_described_with_its_limits_and_quotas(command: Command, server: Server) -> None:
    limits = [{"type": "Container", "default": {"cpu": "500m"}, "max": {"memory": "1Gi"}}]
    made: dict[str, Any] = {"metadata": {"name": "l"}, "spec": {"limits": limits}}
    await server.client.create(LIMITRANGES, "default", {"apiVersion": "v1", "kind": "LimitRange", **made})
    quota: dict[str, Any] = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}
    await server.client.create(RESOURCEQUOTAS, "default", {"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    status = {"status": {"hard": {"pods": "2"}, "used": {"pods": "1"}}}
    await server.client.patch(RESOURCEQUOTAS, "default", "q", status, subresource="status")
    code, out, _ = await command("describe", "ns", "default")
    assert code == 0
    assert out.partition("Active\n\n")[2] == (
        "Resource Quotas\n"
        "  Name:     q\n"
        "  Resource  Used  Hard\n"
        "  --------  ---   ---\n"
        "  pods      1     2\n"
        "\n"
        "Resource Limits\n"
        " Type       Resource  Min  Max  Default Request  Default Limit  Max Limit/Request Ratio\n"
        " ----       --------  ---  ---  ---------------  -------------  -----------------------\n"
        " Container  cpu       -    -    500m             500m           -\n"
        " Container  memory    -    1Gi  1Gi              1Gi            -\n"
    )
