"""SIGKILL to the control plane at any moment, while it is written to, starts and ends pods, and its pods are asked.

After each of the rounds: what was acknowledged is there and what was not is whole or absent, every pod that ran still
runs as the same process, there are exactly as many processes as pods, and not one request has failed.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SCALED = f"{DEPLOYMENTS}/scaled"
MERGE = {"Content-Type": "application/merge-patch+json"}
ROUNDS = 30
WRITERS = 3
STEPS = 40
"""Acknowledged writes after which a round's kill comes at the latest."""


MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s, tier: front}}
    spec: {containers: [{name: main, image: k9lite/whoami, ports: [{containerPort: 80}]}]}
---
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {type: NodePort, selector: {tier: front}, ports: [{port: 80}]}
"""


@dataclass
class Expected:
    """What the server has to know of one object. `sent` is a step that was not answered: it may have happened."""

    acknowledged: int | None = None
    sent: int | None = None

    def allows(self, found: int | None) -> bool:
        return found in (self.acknowledged, self.sent)


@dataclass
class Written:
    """All that was written, by name; None stands for an object that is not there."""

    objects: dict[str, Expected] = field(default_factory=dict)
    replicas: Expected = field(default_factory=lambda: Expected(2, 2))
    answers: int = 0


def inert(name: str, step: int) -> dict[str, Any]:
    """A pod of a node that is not here: nobody but the writers touches it."""
    spec = {"nodeName": "elsewhere", "containers": [{"name": "c", "image": "host"}]}
    return {"metadata": {"name": name, "labels": {"step": str(step)}}, "spec": spec}


async def write_objects(session: aiohttp.ClientSession, writer: str, written: Written) -> None:
    """Create, change and delete until the server is gone."""
    for number in range(10_000):
        name = f"{writer}-{number}"
        expected = written.objects[name] = Expected()
        for step in (1, 2, None) if number % 3 == 0 else (1, 2):
            expected.sent = step
            if step == 1:
                request = session.post(PODS, json=inert(name, 1))
            elif step is not None:
                request = session.patch(f"{PODS}/{name}", json={"metadata": {"labels": {"step": "2"}}}, headers=MERGE)
            else:
                request = session.delete(f"{PODS}/{name}", params={"gracePeriodSeconds": "0"})
            async with request as answer:
                assert answer.status in (200, 201), await answer.text()
            expected.acknowledged = step
            written.answers += 1


async def write_replicas(session: aiohttp.ClientSession, written: Written) -> None:
    """Scale up and down, so that pods start and end at the moment of the kill."""
    expected = written.replicas
    while True:
        expected.sent = random.choice([count for count in range(1, 6) if count != expected.acknowledged])
        async with session.patch(SCALED, json={"spec": {"replicas": expected.sent}}, headers=MERGE) as answer:
            assert answer.status == 200, await answer.text()
        expected.acknowledged = expected.sent
        await asyncio.sleep(random.uniform(0.0, 0.3))


async def write_until_killed(made: Cluster, round_: int, written: Written) -> None:
    async with made.session() as session:
        work = [
            *(write_objects(session, f"r{round_}-w{number}", written) for number in range(WRITERS)),
            write_replicas(session, written),
        ]
        tasks = [asyncio.create_task(one) for one in work]
        # After a random number of answers: the kill hits another point of the write path in every round.
        enough = written.answers + random.randrange(STEPS)
        await eventually(lambda: written.answers >= enough)
        made.kill()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(ended, aiohttp.ClientError), ended


class Client:
    """Asks the NodePort without pause, each time over a new connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.stopping = False
        self.failures: list[str] = []

    async def run(self) -> None:
        while not self.stopping:
            try:
                async with asyncio.timeout(10):
                    content = await self.ask()
                if not content.startswith(b"HTTP/1.1 200 ") or b"Hostname: " not in content:
                    self.failures.append(repr(content))
            except (OSError, TimeoutError) as error:
                self.failures.append(repr(error))
            self.answered += 1

    async def ask(self) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n")
            return await reader.read()
        finally:
            writer.close()


def processes(made: Cluster) -> dict[int, str]:
    """Pid and container of every process of the cluster's pods, also of those whose directory was removed."""
    root, found = str(made.home / "data/pods") + "/", {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if place.startswith(root):
            found[int(entry.name)] = place.removeprefix(root)
    return found


async def get(made: Cluster, path: str) -> Any:
    async with made.session() as session, session.get(path) as answer:
        return await answer.json()


async def settled(made: Cluster, written: Written) -> dict[str, int]:
    """Waits until the deployments have what they want, and nothing else runs; pid by pod uid."""

    async def look() -> dict[str, int]:
        wanted = {
            item["metadata"]["name"]: item["spec"]["replicas"] for item in (await get(made, DEPLOYMENTS))["items"]
        }
        assert written.replicas.allows(wanted["scaled"]), (written.replicas, wanted)
        pods = (await get(made, f"{PODS}?labelSelector=tier%3Dfront"))["items"]
        ready = [pod for pod in pods if is_ready(pod)]
        there = Counter(pod["metadata"]["labels"]["app"] for pod in ready)
        assert (there, len(pods)) == (wanted, len(ready))
        running = processes(made)
        by_container = {container: pid for pid, container in running.items()}
        containers = {pod["metadata"]["uid"]: container_of(pod) for pod in ready}
        assert sorted(running.values()) == sorted(containers.values())
        return {uid: by_container[container] for uid, container in containers.items()}

    return await eventually(look, timeout=30)


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {item["type"]: item["status"] for item in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def container_of(pod: dict[str, Any]) -> str:
    status = pod["status"]["containerStatuses"][0]
    return f"{pod['metadata']['uid']}.{status['name']}.{status['restartCount']}"


def check_written(listed: dict[str, Any], written: Written) -> None:
    items = [item for item in listed["items"] if item["spec"].get("nodeName") == "elsewhere"]
    found = {item["metadata"]["name"]: int(item["metadata"]["labels"]["step"]) for item in items}
    assert len(found) == len(items)
    assert found.keys() <= written.objects.keys()
    for name, expected in written.objects.items():
        assert expected.allows(found.get(name)), f"{name}: {expected}, found {found.get(name)}"
        expected.acknowledged = expected.sent = found.get(name)
    versions = [int(item["metadata"]["resourceVersion"]) for item in listed["items"]]
    assert len(versions) == len(set(versions))
    assert int(listed["metadata"]["resourceVersion"]) >= max(versions)


async def test_kills_at_any_moment_lose_and_break_nothing() -> None:
    written = Written()
    async with cluster() as made:
        manifests = MANIFEST.replace("%s", "steady") + MANIFEST.replace("%s", "scaled") + SERVICE
        await made.ok("apply", "-f", "-", stdin=manifests.encode())
        running = await settled(made, written)
        steady = await get(made, f"{PODS}?labelSelector=app%3Dsteady")
        never_scaled = {pod["metadata"]["uid"] for pod in steady["items"]}
        service = await get(made, "/api/v1/namespaces/default/services/front")
        client = Client(service["spec"]["ports"][0]["nodePort"])
        await eventually(client.ask)
        asking = asyncio.create_task(client.run())
        for round_ in range(ROUNDS):
            await write_until_killed(made, round_, written)
            await made.start()
            check_written(await get(made, PODS), written)
            now = await settled(made, written)
            assert never_scaled <= now.keys()
            assert {uid: pid for uid, pid in running.items() if uid in now}.items() <= now.items()
            running = now
            assert not client.failures
        asked = client.answered
        await eventually(lambda: client.answered > asked)
        client.stopping = True
        await asking
        assert not client.failures
    assert not processes(made)
    assert written.answers > ROUNDS
