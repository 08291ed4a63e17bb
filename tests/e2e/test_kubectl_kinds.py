"""Every kind by kubectl: created from a file, printed with upstream's columns, deleted again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, every_kubectl
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

GOLDEN = Path(__file__).parent / "golden"
KINDS = (
    "cm/settings", "secret/word", "sa/robot", "rc/rc", "limits/limits", "pv/volume", "pvc/claim", "sc/fast",
    "sts/sts", "ds/ds", "job/job", "cj/cron", "hpa/hpa", "pdb/budget", "lease/lease", "ing/ingress",
    "ingressclass/class", "pc/high",
)  # fmt: skip


def steady(text: str) -> str:
    """Ages, times and uids replaced, and the width of the columns with them."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"(?<=\s)\d+[smh](\d+s)?(?=\s)", "AGE", text)
    return re.sub(r" {2,}", "   ", re.sub(r" +$", "", text, flags=re.M))


@every_kubectl
async def test_every_kind_is_printed_as_upstream_prints_it(shared: Cluster, version: str) -> None:
    kubectl, space = Kubectl(shared, version), f"kinds-{version}".replace(".", "-")
    await kubectl.ok("create", "namespace", space)
    file = str(GOLDEN / "kinds.yaml")
    try:
        await kubectl.ok("apply", "-n", space, "-f", file)
        again = await kubectl.ok("apply", "-n", space, "-f", file)
        changed = [line for line in again.splitlines() if not line.endswith(" unchanged")]
        # stringData is never found again, and a budget's selector is always sent whole
        assert {line.split()[0] for line in changed} <= {"secret/word", "poddisruptionbudget.policy/budget"}
        shown = [
            f"$ kubectl get {kind}{wide}\n" + await kubectl.ok("get", "-n", space, kind, *wide.split())
            for kind in KINDS
            for wide in ("", " -o wide")
        ]
        quota = await kubectl.ok("get", "-n", space, "quota")
        assert quota.splitlines()[0].split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
        text = steady("\n".join(shown).replace(space, "SPACE"))
        assert text == (GOLDEN / "kinds.txt").read_text(), text
    finally:
        await kubectl.ok("delete", "-n", space, "-f", file)
        await kubectl.ok("delete", "namespace", space)
