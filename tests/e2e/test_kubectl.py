"""kubectl, unmodified, against k9lite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, every_kubectl
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@every_kubectl
async def test_it_reads_what_there_is(shared: Cluster, version: str) -> None:
    kubectl = Kubectl(shared, version)
    assert "kube-system" in await kubectl.ok("get", "namespaces")
    assert (await kubectl.get("service", "kubernetes"))["spec"]["type"] == "ClusterIP"
    assert "NotFound" in await kubectl.fails("get", "pod", "absent")


@every_kubectl
async def test_create_deployment(shared: Cluster, version: str) -> None:
    """Since 1.32 this is sent as protobuf."""
    kubectl, name = Kubectl(shared, version), f"made-{version}".replace(".", "-")
    out = await kubectl.ok("create", "deployment", name, "--image=host", "--replicas=0", "--", "true")
    assert out == f"deployment.apps/{name} created\n"
    spec = (await kubectl.get("deployment", name))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["command"]) == (0, ["true"])
    assert spec["strategy"]["type"] == "RollingUpdate", "an empty strategy is an absent one"
    assert "lowercase RFC 1123" in await kubectl.fails("create", "deployment", "Bad_Name", "--image=x")
    assert "already exists" in await kubectl.fails("create", "deployment", name, "--image=x")
    assert await kubectl.ok("create", "namespace", f"{name}-ns") == f"namespace/{name}-ns created\n"
    await kubectl.ok("delete", "deployment", name)
    await kubectl.ok("delete", "namespace", f"{name}-ns")


MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {tier: a}}
spec:
  replicas: 0
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - {name: c, image: host, command: ["true"], env: [{name: A, value: "1"}], ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: 80, name: web}]}
"""


def manifest(name: str) -> str:
    return MANIFEST.replace("NAME", name)


@every_kubectl
async def test_apply_creates_changes_and_removes(shared: Cluster, version: str) -> None:
    kubectl, name = Kubectl(shared, version), f"applied-{version}".replace(".", "-")
    first = manifest(name)
    out = await kubectl.ok("apply", "-f", "-", stdin=first.encode())
    assert out == f"deployment.apps/{name} created\nservice/{name} created\n"
    out = await kubectl.ok("apply", "-f", "-", stdin=first.encode())
    assert out == f"deployment.apps/{name} unchanged\nservice/{name} unchanged\n"
    changed = first.replace('{name: A, value: "1"}', '{name: B, value: "2"}').replace("labels: {tier: a}", "labels: {}")
    shown = await kubectl.run("diff", "-f", "-", stdin=changed.encode())
    assert shown.returncode == 1, shown.stderr
    assert "-        - name: A" in shown.stdout
    assert "+        - name: B" in shown.stdout
    out = await kubectl.ok("apply", "-f", "-", stdin=changed.encode())
    assert out == f"deployment.apps/{name} configured\nservice/{name} unchanged\n"
    made = await kubectl.get("deployment", name)
    assert made["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]
    assert "tier" not in made["metadata"].get("labels", {})
    assert (await kubectl.run("diff", "-f", "-", stdin=changed.encode())).returncode == 0
    # what `get` prints as a List can be applied again
    listed = await kubectl.ok("get", f"deployment/{name}", f"service/{name}", "-o", "yaml")
    out = await kubectl.ok("apply", "-f", "-", stdin=listed.encode())
    assert out == f"deployment.apps/{name} configured\nservice/{name} configured\n"
    await kubectl.ok("delete", "-f", "-", stdin=first.encode())


@every_kubectl
async def test_unknown_fields_are_refused_by_the_server(shared: Cluster, version: str) -> None:
    kubectl, name = Kubectl(shared, version), f"strict-{version}".replace(".", "-")
    wrong = manifest(name).replace("replicas: 0", "replicas: 0\n  bogus: 1")
    for command in ("create", "apply"):
        said = await kubectl.fails(command, "-f", "-", stdin=wrong.encode())
        assert 'strict decoding error: unknown field "spec.bogus"' in said
        await kubectl.ok("delete", "service", name)
    done = await kubectl.run("create", "--validate=warn", "-f", "-", stdin=wrong.encode())
    assert done.returncode == 0
    assert 'Warning: unknown field "spec.bogus"' in done.stderr
    assert "bogus" not in (await kubectl.get("deployment", name))["spec"]
    await kubectl.ok("delete", "deployment,service", name)


@every_kubectl
async def test_patches_of_three_types(shared: Cluster, version: str) -> None:
    kubectl, name = Kubectl(shared, version), f"patched-{version}".replace(".", "-")
    await kubectl.ok("create", "-f", "-", stdin=manifest(name).encode())

    async def patch(kind: str, content: str) -> dict[str, Any]:
        await kubectl.ok("patch", "deployment", name, f"--type={kind}", "-p", content)
        return await kubectl.get("deployment", name)

    sidecar = '{"spec":{"template":{"spec":{"containers":[{"name":"s","image":"host","command":["true"]}]}}}}'
    made = await patch("strategic", sidecar)
    assert [item["name"] for item in made["spec"]["template"]["spec"]["containers"]] == ["c", "s"]
    made = await patch("strategic", sidecar.replace('"image":"host","command":["true"]', '"$patch":"delete"'))
    assert [item["name"] for item in made["spec"]["template"]["spec"]["containers"]] == ["c"]
    made = await patch("merge", '{"metadata":{"labels":{"tier":null,"x":"y"}},"spec":{"paused":true}}')
    assert (made["metadata"]["labels"], made["spec"]["paused"]) == ({"x": "y"}, True)
    made = await patch(
        "json", '[{"op":"test","path":"/spec/paused","value":true},{"op":"remove","path":"/spec/paused"}]'
    )
    assert "paused" not in made["spec"]
    said = await kubectl.fails("patch", "deployment", name, "--type=json", "-p", '[{"op":"remove","path":"/spec/x"}]')
    assert "the server rejected our request due to an error in our request" in said
    await kubectl.ok("set", "image", f"deployment/{name}", "c=host:2")
    await kubectl.ok("set", "env", f"deployment/{name}", "B=2")
    container = (await kubectl.get("deployment", name))["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == (
        "host:2",
        [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    )
    await kubectl.ok("delete", "deployment,service", name)


@every_kubectl
async def test_edit(shared: Cluster, version: str, tmp_path: Path) -> None:
    kubectl, name = Kubectl(shared, version), f"edited-{version}".replace(".", "-")
    await kubectl.ok("create", "-f", "-", stdin=manifest(name).encode())
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/value: \\"1\\"/value: \\"7\\"/" "$1"\n')
    editor.chmod(0o700)
    out = await kubectl.ok("edit", "deployment", name, EDITOR=str(editor))
    assert out == f"deployment.apps/{name} edited\n"
    container = (await kubectl.get("deployment", name))["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "7"}]
    await kubectl.ok("delete", "deployment,service", name)


@every_kubectl
async def test_explain(shared: Cluster, version: str) -> None:
    kubectl = Kubectl(shared, version)
    said = await kubectl.ok("explain", "deployment.spec.strategy")
    assert "RollingUpdateDeployment" in said
    everything = await kubectl.ok("explain", "pods", "--recursive")
    for words in (
        "containers\t<[]Container> -required-",
        "limits\t<map[string]Quantity>",
        "creationTimestamp\t<string>",
    ):
        assert words in everything
    assert "does not exist" in await kubectl.fails("explain", "pods.spec.nonsense")


@every_kubectl
async def test_apply_on_the_servers_side(shared: Cluster, version: str) -> None:
    kubectl, name = Kubectl(shared, version), f"served-{version}".replace(".", "-")
    first = manifest(name)

    async def apply(text: str, *flags: str) -> str:
        return await kubectl.ok("apply", "--server-side", *flags, "-f", "-", stdin=text.encode())

    out = f"deployment.apps/{name} serverside-applied\nservice/{name} serverside-applied\n"
    assert await apply(first) == out
    before = await kubectl.get("deployment", name)
    assert await apply(first) == out
    assert await kubectl.get("deployment", name) == before
    await kubectl.ok("set", "env", f"deployment/{name}", "A=2")
    changed = first.replace('{name: A, value: "1"}', '{name: A, value: "3"}, {name: B, value: "4"}')
    said = await kubectl.fails("apply", "--server-side", "-f", "-", stdin=changed.encode())
    assert (
        'conflict with "kubectl-set" using apps/v1: .spec.template.spec.containers[name="c"].env[name="A"].value'
        in said
    )
    assert "--force-conflicts" in said
    await apply(changed, "--force-conflicts")
    container = (await kubectl.get("deployment", name))["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "3"}, {"name": "B", "value": "4"}]
    await apply(first.replace(', env: [{name: A, value: "1"}]', ""))
    assert "env" not in (await kubectl.get("deployment", name))["spec"]["template"]["spec"]["containers"][0]
    await apply(first.replace("labels: {tier: a}", "labels: {owner: b}"), "--field-manager=other", "--force-conflicts")
    assert (await kubectl.get("deployment", name))["metadata"]["labels"] == {"tier": "a", "owner": "b"}
    wrong = first.replace("replicas: 0", "replicas: 0\n  bogus: 1")
    said = await kubectl.fails("apply", "--server-side", "-f", "-", stdin=wrong.encode())
    assert ".spec.bogus: field not declared in schema" in said
    # an object applied on the client's side before changes hands
    await kubectl.ok("delete", "-f", "-", stdin=first.encode())
    await kubectl.ok("apply", "-f", "-", stdin=first.encode())
    assert await apply(first.replace('value: "1"', 'value: "9"')) == out
    shown = await kubectl.ok("get", "deployment", name, "-o", "yaml", "--show-managed-fields")
    assert "manager: kubectl-client-side-apply" not in shown
    assert "operation: Apply" in shown
    await kubectl.ok("delete", "-f", "-", stdin=first.encode())
