"""kubectl, unmodified, against k9lite."""

from __future__ import annotations

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
