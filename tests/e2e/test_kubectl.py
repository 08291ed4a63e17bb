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
