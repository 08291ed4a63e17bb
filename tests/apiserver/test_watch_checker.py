"""Random writers, and watchers that break off and resume, while the history is compacted under them.

Each watcher keeps what it was told since its last list. Against the log of what really happened there may be no gap,
no repeat and no step back, and in the end each holds exactly what a list of its selection answers.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.apiserver.http import MERGE, Http

SPACES = ("default", "other")
COLOURS = ("red", "green", "blue")
WRITERS, WRITES = 4, 60
END = "zz-end"

Selection = tuple[str, str, Callable[[dict[str, Any]], bool]]
"""(path, query, whether an object is in)."""


def colour(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("labels", {}).get("colour", ""))


SELECTIONS: tuple[Selection, ...] = (
    ("/api/v1/configmaps", "", lambda obj: True),
    ("/api/v1/namespaces/default/configmaps", "", lambda obj: obj["metadata"]["namespace"] == "default"),
    ("/api/v1/configmaps", "labelSelector=colour%3Dred", lambda obj: colour(obj) == "red"),
    ("/api/v1/configmaps", "labelSelector=colour%21%3Dred", lambda obj: colour(obj) != "red"),
    ("/api/v1/namespaces/other/configmaps", "labelSelector=colour%20in%20(red%2Cblue)",
     lambda obj: obj["metadata"]["namespace"] == "other" and colour(obj) in ("red", "blue")),
    ("/api/v1/configmaps", "fieldSelector=metadata.name%3Dm3", lambda obj: obj["metadata"]["name"] == "m3"),
)  # fmt: skip


@dataclass
class Truth:
    """(resourceVersion, object before, object after) of every change, in order."""

    changes: list[tuple[int, dict[str, Any] | None, dict[str, Any] | None]] = field(default_factory=list)

    def events(self, after: int, upto: int, is_in: Callable[[dict[str, Any]], bool]) -> list[tuple[int, str, Any]]:
        """What a watch of that selection has to say between two versions: (version, type, labels)."""
        said = []
        for rv, old, new in self.changes:
            if not after < rv <= upto:
                continue
            was, now = old is not None and is_in(old), new is not None and is_in(new)
            if was or now:
                shown = new if now else old
                assert shown is not None
                kind = "MODIFIED" if was and now else "ADDED" if now else "DELETED"
                said.append((rv, kind, shown["metadata"].get("labels")))
        return said


class Watcher:
    """One client as informers are: list, watch, resume from what came last, list again on 410."""

    def __init__(self, http: Http, selection: Selection, truth: Truth, chance: random.Random) -> None:
        self._http, self._truth, self._chance = http, truth, chance
        self._path, self._query, self._is_in = selection
        self.held: dict[tuple[str, str], int] = {}
        self.lists = self.resumes = self.compared = 0
        self._rv = 0
        self._ended = False

    async def run(self, over: asyncio.Event) -> None:
        await self._list()
        while not self._ended:
            try:
                async with asyncio.timeout(10):
                    await self._watch(over)
            except ExpiredError:
                await self._list()
            self.resumes += 1
            if self._chance.random() < 0.4 and not over.is_set():  # fall behind
                for _ in range(self._chance.randrange(40)):
                    await self._http.get("/version")

    async def _list(self) -> None:
        found = await self._http.get(f"{self._path}?{self._query}")
        self.lists += 1
        self._rv = int(found["metadata"]["resourceVersion"])
        self.held = {_key(item): int(item["metadata"]["resourceVersion"]) for item in found["items"]}

    async def _watch(self, over: asyncio.Event) -> None:
        """Some events, then break off; once all is over, every event."""
        started, told = self._rv, []
        left = self._chance.randrange(1, 25)
        options = {"resourceVersion": str(self._rv), "allowWatchBookmarks": "true", "timeoutSeconds": "1"}
        options |= {key: value for part in [self._query] if part for key, _, value in [_decoded(part)]}
        async with self._http.watch(self._path, **options) as events:
            async for event in events:
                rv = int(event["object"].get("metadata", {}).get("resourceVersion") or 0)
                if event["type"] == "ERROR":
                    assert event["object"]["code"] == 410, event
                    raise ExpiredError
                assert rv > self._rv or (event["type"] == "BOOKMARK" and rv >= self._rv), "a step back"
                self._rv = rv
                if event["type"] == "BOOKMARK":
                    continue
                told.append((rv, event["type"], event["object"]["metadata"].get("labels")))
                self._take(event)
                left -= 1
                if left <= 0 and not over.is_set():
                    break
        assert told == self._truth.events(started, self._rv, self._is_in)
        self.compared += len(told)
        self._ended = over.is_set() and self._rv >= self._truth.changes[-1][0]

    def _take(self, event: dict[str, Any]) -> None:
        key = _key(event["object"])
        if event["type"] == "DELETED":
            del self.held[key]
        else:
            assert (key in self.held) == (event["type"] == "MODIFIED")
            self.held[key] = self._rv


class ExpiredError(Exception):
    """The history does not reach back to where the watcher left off."""


def _key(obj: dict[str, Any]) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _decoded(part: str) -> tuple[str, str, str]:
    from urllib.parse import unquote

    key, equals, value = part.partition("=")
    return key, equals, unquote(value)


async def write(http: Http, chance: random.Random) -> None:
    """One random change; the refusals of colliding writers are part of it."""
    path = f"/api/v1/namespaces/{chance.choice(SPACES)}/configmaps"
    name, labels = f"m{chance.randrange(6)}", {"colour": chance.choice(COLOURS)}
    match chance.randrange(4):
        case 0:
            status, _ = await http.call("POST", path, {"metadata": {"name": name, "labels": labels}})
            assert status in (201, 409)
        case 1 | 2:
            status, _ = await http.call("PATCH", f"{path}/{name}", {"metadata": {"labels": labels}}, MERGE)
            assert status in (200, 404)
        case _:
            status, _ = await http.call("DELETE", f"{path}/{name}")
            assert status in (200, 404)


async def compact(http: Http, over: asyncio.Event, chance: random.Random) -> None:
    """Now and then forget the older half of the history."""
    store = http.registry.store
    while not over.is_set():
        for _ in range(chance.randrange(60)):
            await http.get("/version")
        store._history = (3600, 0)  # everything is too much
        await store.trim()
        store._history = (3600, 1 << 30)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.timeout(60)
async def test_watchers_are_told_everything_once_and_in_order(http: Http, seed: int) -> None:
    truth, over = Truth(), asyncio.Event()
    store = http.registry.store
    store._events = deque(maxlen=20)  # so that most of what was missed is read from disk
    store.follow("configmaps", lambda event: truth.changes.append(
        (event.rv, event.old.obj if event.old else None, event.stored.obj if event.verb != "DELETED" else None)))  # fmt: skip
    await http.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
    watchers = [Watcher(http, each, truth, random.Random(f"{seed}-{n}")) for n, each in enumerate(SELECTIONS * 2)]

    async def writer(number: int) -> None:
        chance = random.Random(f"{seed}-writer-{number}")
        for _ in range(WRITES):
            await write(http, chance)

    async with asyncio.TaskGroup() as tasks:
        for watcher in watchers:
            tasks.create_task(watcher.run(over))
        compacting = tasks.create_task(compact(http, over, random.Random(seed)))
        await asyncio.gather(*(writer(number) for number in range(WRITERS)))
        await http.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": END}})
        over.set()
        await compacting
    for watcher, (path, query, _) in zip(watchers, SELECTIONS * 2, strict=True):
        items = (await http.get(f"{path}?{query}"))["items"]
        assert watcher.held == {_key(item): int(item["metadata"]["resourceVersion"]) for item in items}
    assert sum(watcher.compared for watcher in watchers) > 100
    assert sum(watcher.resumes for watcher in watchers) > len(watchers)
    assert sum(watcher.lists for watcher in watchers) > len(watchers), "no history was ever gone: compact more"
