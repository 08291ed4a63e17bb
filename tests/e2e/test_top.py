"""`top` of kubectl and of k9lite, over pods that run."""

from __future__ import annotations

import re

import pytest

from tests.e2e.kubectl import Kubectl, every_kubectl
from tests.support.cluster import Cluster
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: busy, labels: {app: busy}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: one, image: host, command: [sh, -c, "while :; do :; done"]}
  - {name: two, image: host, command: [sleep, "600"]}
"""


async def measured(shared: Cluster) -> bool:
    return (await shared.run("top", "pods", "busy")).returncode == 0


@every_kubectl
async def test_top(shared: Cluster, version: str) -> None:
    await shared.ok("apply", "-f", "-", stdin=POD.encode())
    await eventually(lambda: measured(shared), timeout=60)
    kubectl = Kubectl(shared, version)
    header, line = (await kubectl.ok("top", "pods", "-l", "app=busy")).splitlines()
    assert header.split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    found = re.fullmatch(r"busy +(\d+)m +(\d+)Mi *", line)
    assert found is not None
    assert int(found[1]) > 0
    ours = (await shared.ok("top", "pods", "-l", "app=busy")).splitlines()
    assert ours[0].split() == header.split()
    lines = (await shared.ok("top", "pod", "busy", "--containers", "--sort-by=cpu", "--no-headers")).splitlines()
    assert [line.split()[:2] for line in lines] == [["busy", "one"], ["busy", "two"]]
    assert re.search(r"\d+m +\d+% +\d+Mi +\d+%", await kubectl.ok("top", "nodes"))
    assert re.search(r"\d+m +\d+% +\d+Mi +\d+%", await shared.ok("top", "nodes"))
    assert "no figures for pods" in (await shared.run("top", "pods", "absent")).stderr
