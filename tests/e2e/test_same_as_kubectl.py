"""k9lite's commands print what kubectl prints, word for word, of the same objects."""

from __future__ import annotations

import asyncio
import re
import shlex

import pytest
import pytest_asyncio

from tests.e2e.kubectl import Kubectl
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

COMMANDS = """
api-resources
api-resources -o name --namespaced=false
api-resources -o wide --api-group=apps
api-versions
annotate deploy same note=words
config current-context
config get-contexts
describe deployment same
describe replicaset -l app=same
describe service kubernetes
explain deployment
explain deployment --recursive
explain deployments.apps.spec.strategy
explain pod.spec.containers
explain pods.metadata.labels
explain hpa --api-version=autoscaling/v1
get deployments
get deploy same -o yaml
get deploy,rs,svc -o name
get pods -o wide
get pods -l app=same --show-labels
get namespaces
label deploy same app=same
label deploy same absent-
patch deploy same -p '{"spec":{"replicas":1}}'
rollout history deploy/same
rollout history deploy/same --revision=1
rollout status deploy/same
rollout undo deploy/same --to-revision=1
run one --image=nginx --dry-run=client -o name
wait --for=condition=Available deploy/same
wait --for=jsonpath={.status.replicas}=1 deploy/same
wait --for=delete pod/absent
"""

FAILING = """
annotate deploy same note=others
describe deployment absent
explain nonsense
get nonsense
get pod absent
label deploy absent a=b
label deploy same app=other
rollout history deploy/same --revision=9
rollout resume deploy/same
rollout undo deploy/same --to-revision=9
wait --for=condition=Never deploy/same --timeout=1s
"""


def without_time(text: str) -> str:
    """Ages as `AGE`, with the columns after them moved together."""
    return re.sub(r"\b(\d+[smhd])+\b *", "AGE ", text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed(shared: Cluster) -> Cluster:
    """The cluster with a deployment `same` that has rolled out."""
    await shared.ok("create", "deployment", "same", "--image=host", "--port=80", "--", "sleep", "1000")
    await shared.ok("rollout", "status", "deployment/same")
    await shared.ok("annotate", "deployment", "same", "note=words")
    return shared


@pytest.mark.parametrize("line", COMMANDS.split("\n")[1:-1])
async def test_commands_print_the_same(deployed: Cluster, line: str) -> None:
    kubectl = Kubectl(deployed)
    if kubectl.minor < 30:
        pytest.skip(f"kubectl {kubectl.version} prints some of it in older words")
    words = shlex.split(line)
    kubeconfig = ("--kubeconfig", str(deployed.home / "data/admin.kubeconfig"))
    theirs, ours = await asyncio.gather(kubectl.ok(*words), deployed.ok(*words, *kubeconfig))
    assert without_time(ours) == without_time(theirs)


@pytest.mark.parametrize("line", FAILING.split("\n")[1:-1])
async def test_failures_say_the_same(deployed: Cluster, line: str) -> None:
    kubectl = Kubectl(deployed)
    theirs, ours = await asyncio.gather(kubectl.run(*shlex.split(line)), deployed.run(*shlex.split(line)))
    assert (theirs.returncode, ours.returncode) == (1, 1)
    said = re.sub(r"^(error: |Error from server \(\w+\): )", "", theirs.stderr)
    assert said.strip() in ours.stderr
