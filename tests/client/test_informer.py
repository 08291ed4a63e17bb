"""The informer against servers of other kinds: older, stricter, slower, and broken ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from k9lite.api.catalog import PODS
from k9lite.api.objects import name_of
from k9lite.client import informer as informers
from k9lite.client.informer import Informer
from k9lite.client.rest import KubeClient
from tests.support.other_server import OtherServer, other_server
from tests.support.wait import eventually


class Followed:
    """A running informer and what it announced."""

    def __init__(self, server: OtherServer) -> None:
        self.server = server
        self.client = KubeClient(server.connection())
        self.changes: list[tuple[str, str]] = []
        self.informer = Informer(
            self.client, PODS, on_change=lambda kind, obj, _: self.changes.append((kind, name_of(obj)))
        )

    @property
    def names(self) -> list[str]:
        return sorted(name_of(obj) for obj in self.informer.objects.values())

    async def has(self, *names: str) -> None:
        await eventually(lambda: self.informer.state.synced and self.names == sorted(names))


@asynccontextmanager
async def following(server: OtherServer) -> AsyncIterator[Followed]:
    followed = Followed(server)
    task = asyncio.create_task(followed.informer.run())
    try:
        yield followed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await followed.client.close()


@pytest.mark.parametrize(
    ("minor", "watch_list", "asked"),
    [("24+", "ignored", 0), ("30", "refused", 1), ("35", "served", 1)],
)
async def test_what_there_is_comes_by_watch_list_where_served_else_by_list(
    minor: str, watch_list: str, asked: int
) -> None:
    async with other_server(minor=minor, watch_list=watch_list) as server:
        server.write("a")
        server.write("b")
        async with following(server) as followed:
            await followed.has("a", "b")
            assert server.requests["watchlist"] == asked
            assert bool(server.requests["list"]) == (watch_list != "served")
            server.write("c")
            server.remove("a")
            server.write("b", app="x")
            await followed.has("b", "c")
            await eventually(lambda: ("MODIFIED", "b") in followed.changes)
            assert followed.changes[-3:] == [("ADDED", "c"), ("DELETED", "a"), ("MODIFIED", "b")]


async def test_a_watch_list_that_never_ends_its_initial_events_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers, "INITIAL_SECONDS", 0.2)
    async with other_server(minor="35", watch_list="silent") as server:
        server.write("a")
        async with following(server) as followed:
            await followed.has("a")
            assert server.requests["list"] == 1
            assert followed.changes == [("ADDED", "a")]


async def test_managed_fields_are_never_kept() -> None:
    async with other_server(minor="35", watch_list="served") as server:
        server.write("a")
        async with following(server) as followed:
            await followed.has("a")
            server.write("b")
            await followed.has("a", "b")
            assert all("managedFields" not in obj["metadata"] for obj in followed.informer.objects.values())


async def test_a_list_in_parts_is_whole_and_starts_again_when_its_moment_is_forgotten() -> None:
    async with other_server(page=2, expire_continue=1) as server:
        for name in "abcde":
            server.write(name)
        async with following(server) as followed:
            await followed.has(*"abcde")
            assert len(followed.changes) == 5
            assert server.requests["list"] == 5  # a part, one that was forgotten, then three parts
            assert followed.informer.state.error == ""


async def test_a_forgotten_version_is_listed_anew_and_only_differences_are_announced() -> None:
    async with other_server() as server:
        server.write("a")
        server.write("b")
        async with following(server) as followed:
            await followed.has("a", "b")
            await eventually(lambda: server.requests["watch"] == 1)
            followed.changes.clear()
            server.does.gone = 1
            server.drop_watches()
            server.remove("a")
            server.write("c")
            await followed.has("b", "c")
            assert sorted(followed.changes) == [("ADDED", "c"), ("DELETED", "a")]


async def test_watches_cut_in_the_middle_of_an_event_lose_and_repeat_nothing() -> None:
    async with other_server(close_after=1) as server, following(server) as followed:
        await followed.has()
        names = [f"p{number}" for number in range(8)]
        for name in names:
            server.write(name)
        await followed.has(*names)
        assert followed.changes == [("ADDED", name) for name in names]
        assert server.requests["watch"] >= 8


async def test_bookmarks_move_the_version_on() -> None:
    async with other_server(bookmarks=True) as server, following(server) as followed:
        await followed.has()
        server.version = 5000
        server.write("a")
        await followed.has("a")
        server.version = 9000
        server.write("b")
        server.remove("b")
        await eventually(lambda: ("DELETED", "b") in followed.changes)
        assert followed.informer._version == "9002"


async def test_a_refusal_is_a_state_with_its_code_and_not_a_loop() -> None:
    async with other_server(forbidden={"pods"}) as server, following(server) as followed:
        await eventually(lambda: followed.informer.state.code == 403)
        state = followed.informer.state
        assert state.error == 'pods is forbidden: User "u" cannot list resource "pods"'
        assert not state.synced
        assert state.retry_at is not None
        assert server.requests["list"] == 1


async def test_what_may_be_listed_and_not_watched_is_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers, "POLL_SECONDS", 0.05)
    async with other_server(minor="35", watch_list="served", forbidden={"watch"}) as server:
        server.write("a")
        async with following(server) as followed:
            await followed.has("a")
            server.write("b")
            await followed.has("a", "b")
            server.remove("a")
            await followed.has("b")
            assert followed.informer.state.connected
            assert server.requests["watch"] == 1


async def test_a_server_that_is_busy_for_a_while_is_asked_again() -> None:
    async with other_server(busy=3) as server:
        server.write("a")
        async with following(server) as followed:
            await followed.has("a")
            assert server.requests["busy"] == 3
            assert followed.informer.state.error == ""


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"rubbish": True}, "does not answer as a Kubernetes API server does"),
        ({"redirect": True}, "sends us elsewhere (302 to https://login.example.com/)"),
        ({"unavailable": True}, "unable to handle the request"),
        ({"unauthorized": True}, "Unauthorized"),
    ],
)
async def test_what_is_wrong_with_a_server_is_said_and_mends(behaviour: dict[str, bool], words: str) -> None:
    async with other_server(**behaviour) as server:
        server.write("a")
        client = KubeClient(server.connection())
        informer = Informer(client, PODS, clock=Impatient())
        task = asyncio.create_task(informer.run())
        try:
            await eventually(lambda: words in informer.state.error)
            for name in behaviour:
                setattr(server.does, name, False)
            await eventually(lambda: informer.state.connected and len(informer.objects) == 1)
            assert informer.state.error == ""
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await client.close()


class Impatient:
    """A clock on which every wait is short."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))
