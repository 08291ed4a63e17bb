"""The client against a real API server in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from k9lite.api.catalog import DEPLOYMENTS, NAMESPACES, PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of
from k9lite.client.errors import ConnectionLost
from k9lite.client.informer import Informer, InformerState
from k9lite.client.kubeconfig import Connection
from k9lite.client.rest import TABLE, KubeClient
from tests.support.server import Server, running_server
from tests.support.wait import eventually


def pod(name: str, **labels: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "host", "command": ["true"]}]},
    }


@asynccontextmanager
async def informing(informer: Informer) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_objects_are_created_read_changed_and_deleted(server: Server) -> None:
    client = server.client
    made = await client.create(PODS, "default", pod("a", app="x"))
    assert (await client.get(PODS, "default", "a"))["metadata"]["uid"] == made["metadata"]["uid"]
    patched = await client.patch(PODS, "default", "a", {"metadata": {"labels": {"more": "yes"}}})
    assert patched["metadata"]["labels"] == {"app": "x", "more": "yes"}
    listed = await client.list(PODS, label_selector="app=x")
    assert [name_of(item) for item in listed["items"]] == ["a"]
    assert (await client.list(PODS, label_selector="app=y"))["items"] == []
    await client.delete(PODS, "default", "a", grace_seconds=0)
    with pytest.raises(ApiError, match='pods "a" not found'):
        await client.get(PODS, "default", "a")


async def test_a_list_may_be_a_table(server: Server) -> None:
    await server.client.create(PODS, "default", pod("a"))
    answer = await server.client.list(PODS, "default", accept=TABLE)
    assert answer["kind"] == "Table"
    assert answer["rows"][0]["cells"][0] == "a"


async def test_a_watch_starts_with_what_there_is(server: Server) -> None:
    await server.client.create(PODS, "default", pod("a"))
    seen = []
    async for kind, obj in server.client.watch(PODS, "default"):
        seen.append((kind, name_of(obj)))
        if len(seen) == 1:
            await server.client.create(PODS, "default", pod("b"))
        else:
            break
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    async with KubeClient(Connection("http://127.0.0.1:1")) as client:
        with pytest.raises(ConnectionLost, match=r"http://127.0.0.1:1 cannot be reached: "):
            await client.list(NAMESPACES)


async def test_an_informer_follows_changes_and_survives_a_restart(tmp_path: Path) -> None:
    changes: list[tuple[str, str]] = []
    states: list[InformerState] = []
    async with running_server(tmp_path) as server:
        await server.client.create(PODS, "default", pod("a"))
        informer = Informer(
            server.client,
            PODS,
            on_change=lambda kind, obj, _: changes.append((kind, name_of(obj))),
            on_state=states.append,
        )
        async with informing(informer):
            await eventually(lambda: changes == [("ADDED", "a")] and informer.state.synced)
            await server.client.create(PODS, "default", pod("b"))
            await eventually(lambda: ("ADDED", "b") in changes)
            await server.stop_listening()
            await eventually(lambda: not informer.state.connected)
            assert informer.state.error
            assert informer.state.retry_at is not None
            await server.listen()
            await eventually(lambda: informer.state.connected)
            await server.client.delete(PODS, "default", "a", grace_seconds=0)
            await eventually(lambda: ("DELETED", "a") in changes)
            assert [name_of(obj) for obj in informer.objects.values()] == ["b"]
            assert changes.count(("ADDED", "b")) == 1
    assert states[0] == InformerState(connected=True, synced=True)


async def test_scale(server: Server) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod("x")["spec"]},
        },
    }
    await server.client.create(DEPLOYMENTS, "default", deployment)
    await server.client.scale(DEPLOYMENTS, "default", "web", 4)
    assert (await server.client.get(DEPLOYMENTS, "default", "web"))["spec"]["replicas"] == 4
