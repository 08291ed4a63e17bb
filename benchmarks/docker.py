"""From 0 to 30 ready pods on Docker, beside a bare loop that creates and starts the same containers by the same SDK.

Both wait for the same daemon, so they take turns and the best round of each counts: what else the machine does only
ever adds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.cluster import Cluster, running
from benchmarks.report import Figure, Skipped, show
from k9lite.api.catalog import DEPLOYMENTS
from k9lite.api.objects import dig
from k9lite.client.rest import KubeClient
from k9lite.engines.detect import docker_socket
from tests.support.images import IMAGE, ensure_image

COUNT = 30
PARALLEL = 16
ROUNDS = 3
TARGET = 1.15
COMMAND = ["sleep", "100000"]


@contextlib.contextmanager
def network(name: str) -> Iterator[None]:
    """A bridge network, as a cluster has one."""
    import docker

    client = docker.APIClient(base_url=docker_socket())
    made = client.create_network(name, driver="bridge")
    try:
        yield
    finally:
        client.remove_network(made["Id"])
        client.close()


def bare_loop(name: str) -> float:
    """Seconds in which a thread pool has created and started COUNT containers."""
    import docker

    client = docker.APIClient(base_url=docker_socket(), version="auto", max_pool_size=PARALLEL)
    host = client.create_host_config(network_mode=name)

    def start(number: int) -> str:
        made = client.create_container(IMAGE, entrypoint=COMMAND, host_config=host, name=f"{name}-{number}")
        client.start(made["Id"])
        return str(made["Id"])

    with ThreadPoolExecutor(PARALLEL) as pool:
        started = time.perf_counter()
        containers = list(pool.map(start, range(COUNT)))
        took = time.perf_counter() - started
        list(pool.map(lambda container: client.remove_container(container, force=True), containers))
    client.close()
    return took


async def scaled(client: KubeClient, replicas: int) -> float:
    """Seconds from asking for so many replicas until all of them are ready, or gone."""
    started = time.perf_counter()
    patched = await client.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": replicas}})
    async for _, obj in client.watch(DEPLOYMENTS, "default", since=patched["metadata"]["resourceVersion"]):
        status = obj.get("status") or {}
        if status.get("readyReplicas", 0) == status.get("replicas", 0) == replicas:
            break
    return time.perf_counter() - started


async def gone(client: KubeClient) -> None:
    """Until no pod is left, so that the next round begins with nothing."""
    while (await client.request("GET", "/api/v1/namespaces/default/pods"))["items"]:
        await asyncio.sleep(0.2)


async def ours(made: Cluster) -> list[tuple[float, float]]:
    """(seconds, seconds of a bare loop in the same round)"""
    rounds = []
    async with KubeClient.from_kubeconfig(made.home / "data/admin.kubeconfig", None) as client:
        for number in range(ROUNDS):
            name = f"k9lite-bench-{os.getpid()}-{number}"
            with network(name):
                bare = await asyncio.to_thread(bare_loop, name)
            rounds.append((await scaled(client, COUNT), bare))
            await scaled(client, 0)
            await gone(client)
        answered = await client.get(DEPLOYMENTS, "default", "web")
        assert dig(answered, "spec", "replicas") == 0
    return rounds


def main() -> list[Figure]:
    """Measure and print the table."""
    if docker_socket() is None:
        raise Skipped("no Docker or Podman answers on this machine")
    ensure_image()
    with running("docker") as made:
        made.command(
            "create", "deployment", "web", f"--image={IMAGE}", "--replicas=0", "--", *COMMAND,
        )  # fmt: skip
        rounds = asyncio.run(ours(made))
    took, bare = (min(column) for column in zip(*rounds, strict=True))
    note = f"{took:.2f} s and {bare:.2f} s, best of {ROUNDS}; {PARALLEL} at a time"
    return show([Figure(f"Docker, 0 to {COUNT} ready pods against a bare loop", took / bare, "x", TARGET, note=note)])


if __name__ == "__main__":
    main()
