"""An engine that goes away and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator

from k9lite.api.catalog import NODES
from k9lite.api.objects import Obj, condition_of, dig
from k9lite.engines.base import ContainerSpec, ContainerState, EngineUnavailable
from k9lite.engines.process import ProcessEngine
from tests.node.conftest import CLUSTER, Rig
from tests.support.wait import eventually


class Unreliable(ProcessEngine):
    """The process engine behind a line that can be cut."""

    away = False

    def _check(self) -> None:
        if self.away:
            raise EngineUnavailable("the line is cut")

    async def list(self) -> list[ContainerState]:
        self._check()
        return await super().list()

    async def create(self, spec: ContainerSpec) -> str:
        self._check()
        return await super().create(spec)

    async def exits(self) -> AsyncIterator[str]:
        async for container in super().exits():
            self._check()
            yield container


def ready(rig: Rig) -> Obj:
    stored = rig.store.get(NODES.key, "", "here")
    assert stored is not None
    return condition_of(stored.obj, "Ready") or {}


async def test_the_node_says_why_and_everything_resumes(rig: Rig) -> None:
    engine = Unreliable(rig.settings, CLUSTER)
    await rig.start({"process": engine})
    await rig.pod("before", "sleep", "1000")
    await rig.running("before")
    engine.away = True
    await rig.pod("meanwhile", "sleep", "1000")
    await eventually(lambda: ready(rig).get("status") == "False")
    assert ready(rig)["reason"] == "KubeletNotReady"
    assert "the line is cut" in ready(rig)["message"]
    await rig.delete("before")
    assert rig.get("before") is not None
    engine.away = False
    await rig.running("meanwhile")
    await rig.gone("before")
    await eventually(lambda: ready(rig).get("status") == "True")


async def test_a_pod_of_an_engine_that_is_not_there_says_so(node: Rig) -> None:
    await node.pod("p", image="nginx", spec={"runtimeClassName": "docker"})
    await eventually(lambda: "not on this machine" in str(dig(node.container("p"), "state", "waiting", "message")))
    await node.delete("p")
    await node.gone("p")
