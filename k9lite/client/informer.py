"""An informer: a live copy of one resource, kept by list and watch, over lost connections, for ever.

    WatchList ──its last initial event──> following ──ended──> watch again from the last resourceVersion seen
      │ not served: list, then watch         │ 410: anew                  │ lost or refused
      └──────────────────────────────────────┴──── wait, longer each time, with jitter <─┘
    A kind that may be listed and not watched (metrics, narrow permissions) is listed again now and then.

After a new list only the differences are announced, so a reader never has to start over. Objects are kept without
their managedFields; of tabular kinds (`k9lite.client.tables`) only rows are kept.
Source of the behaviour: k8s.io/client-go/tools/cache (Reflector).
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, annotations_of, uid_of
from k9lite.api.resources import Resource
from k9lite.client.errors import ClientError, ConnectionLost
from k9lite.client.rest import JSON, TABLE, KubeClient
from k9lite.client.tables import is_tabular, rows_of
from k9lite.clock import Clock, SystemClock

FIRST_WAIT = 0.2
LONGEST_WAIT = 15.0
REFUSED_WAIT = 60.0
"""A server that says no will say no again: it is asked seldom."""
NO_WATCH = (403, 404, 405)
REFUSALS = (401, 403, 404, 405, 406)
POLL_SECONDS = 10.0
"""Time between two lists of what cannot be watched."""
INITIAL_SECONDS = 10.0
"""Longest silence within a WatchList's initial events: a server that does not know them never ends them."""
FIRST_MINOR_WITH_WATCH_LIST = 27
"""Servers before ignore what they do not know instead of refusing it."""
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class InformerState:
    """`retry_at` is in seconds since the epoch; `synced` means that `objects` has been complete at least once.

    `code` is the HTTP code of a server that answered and refused (401, 403, 404...), 0 for a lost connection.
    """

    connected: bool = False
    error: str = ""
    retry_at: float | None = None
    synced: bool = False
    code: int = 0


def _ignore_change(_type: str, _obj: Obj, _old: Obj | None) -> None:
    return None


def _ignore_state(_: InformerState) -> None:
    return None


class Informer:
    """Call `run` in a task; `objects` (by uid) is what the server has, as far as known. Objects are read-only."""

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        namespace: str | None = None,
        *,
        on_change: Callable[[str, Obj, Obj | None], None] = _ignore_change,
        on_state: Callable[[InformerState], None] = _ignore_state,
        label_selector: str = "",
        field_selector: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self.resource = resource
        self.namespace = namespace
        self._on_change = on_change
        self._on_state = on_state
        self._labels = label_selector
        self._fields = field_selector
        self._clock = clock or SystemClock()
        self._accept = TABLE if is_tabular(resource) else JSON
        self.objects: dict[str, Obj] = {}
        self.state = InformerState()
        self._version = ""
        self._failures = 0
        self._watch_list: bool | None = None
        self._polls = False

    async def run(self) -> None:
        """Until cancelled. Errors become states."""
        while True:
            try:
                if self._version and self._polls:
                    await self._clock.sleep(POLL_SECONDS * random.uniform(0.9, 1.1))
                    await self._list()
                elif self._version:
                    await self._watch()
                elif await self._serves_watch_list():
                    await self._watch(initial=True)
                else:
                    await self._list()
            except (ClientError, ApiError) as error:
                if isinstance(error, ApiError) and self._knows_a_way(error.code):
                    continue
                await self._wait(error)

    def _knows_a_way(self, code: int) -> bool:
        """Whether an answer asks for another way at once: a new list, or lists instead of watches."""
        if code == 410:
            self._version = ""
            self._failures += 1
            return self._failures == 1
        if code in NO_WATCH and self._version and not self._polls:
            self._polls = True
            return True
        return False

    async def _serves_watch_list(self) -> bool:
        if self._watch_list is None:
            try:
                minor = re.match(r"\d+", str((await self._client.version()).get("minor", "")))
            except ApiError:
                minor = None
            self._watch_list = minor is not None and int(minor[0]) >= FIRST_MINOR_WITH_WATCH_LIST
        return self._watch_list

    async def _list(self) -> None:
        """Take over a whole list, part by part."""
        fresh: dict[str, Obj] = {}
        version = ""
        pages = self._client.pages(
            self.resource,
            self.namespace,
            label_selector=self._labels,
            field_selector=self._fields,
            accept=self._accept,
        )
        async with aclosing(pages) as source:  # type: ignore[type-var]
            async for page in source:
                fresh.update((uid_of(obj), obj) for obj in self._kept(page, page.get("items") or ()))
                version = version or _version_of(page)
        self._replace(fresh, version or "0")

    def _kept(self, answer: Obj, objs: Iterable[Obj]) -> Iterable[Obj]:
        """What is kept of an answer: the rows of a Table, else these objects, each with something like a uid."""
        kept = list(rows_of(answer, self.resource) if answer.get("kind") == "Table" else objs)
        for obj in kept:
            metadata = obj.setdefault("metadata", {})
            metadata.pop("managedFields", None)
            if not metadata.get("uid"):  # metrics have none
                metadata["uid"] = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        return kept

    def _replace(self, fresh: dict[str, Obj], version: str) -> None:
        """Make these the objects, announcing what differs."""
        self._version = version
        for uid in [uid for uid in self.objects if uid not in fresh]:
            gone = self.objects.pop(uid)
            self._on_change("DELETED", gone, gone)
        for obj in fresh.values():
            self._take("MODIFIED", obj)
        self._failures = 0
        self._set_state(InformerState(connected=True, synced=True))

    async def _watch(self, *, initial: bool = False) -> None:
        """One watch, until the server ends it. One that ends at once, with nothing, must not make a busy loop."""
        began, seen = self._clock.monotonic(), False
        fresh: dict[str, Obj] | None = {} if initial else None
        events = self._client.watch(
            self.resource,
            self.namespace,
            since=None if initial else self._version,
            label_selector=self._labels,
            field_selector=self._fields,
            accept=self._accept,
            initial=initial,
            on_open=None if initial else self._opened,
        )
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(INITIAL_SECONDS if initial else None) as silence,
                aclosing(events) as source,  # type: ignore[type-var]
            ):
                async for kind, obj in source:
                    seen = True
                    if fresh is None:
                        self._follow(kind, obj)
                    elif kind == "BOOKMARK" and _ends_initial(obj):
                        self._replace(fresh, _version_of(obj))
                        fresh = None
                        silence.reschedule(None)
                    else:
                        self._gather(fresh, kind, obj)
                        silence.reschedule(loop.time() + INITIAL_SECONDS)
        except TimeoutError:
            self._watch_list = False
            return
        except ApiError as error:
            if fresh is None or error.code not in (400, 422, *NO_WATCH):
                raise
            self._watch_list = False
            return
        if fresh is not None:
            raise ConnectionLost("the server ended the list before it was complete")
        if not seen and self._clock.monotonic() - began < 1.0:
            await self._clock.sleep(random.uniform(0.5, 1.0))

    def _gather(self, fresh: dict[str, Obj], kind: str, event: Obj) -> None:
        for obj in self._kept(event, [event]) if kind != "BOOKMARK" else ():
            if kind == "DELETED":
                fresh.pop(uid_of(obj), None)
            else:
                fresh[uid_of(obj)] = obj

    def _follow(self, kind: str, event: Obj) -> None:
        self._failures = 0
        self._version = _version_of(event) or self._version
        for obj in self._kept(event, [event]) if kind != "BOOKMARK" else ():
            self._take(kind, obj)

    def _opened(self) -> None:
        self._failures = min(self._failures, 3)  # a stream that opens and breaks at once still backs off
        self._set_state(replace(self.state, connected=True, error="", retry_at=None, code=0))

    def _take(self, kind: str, obj: Obj) -> None:
        """Apply one change and announce it, if it is one."""
        uid = uid_of(obj)
        old = self.objects.get(uid)
        if kind == "DELETED":
            if self.objects.pop(uid, None) is not None:
                self._on_change("DELETED", obj, old)
            return
        if old is not None and _version_of(old) == _version_of(obj) and (_version_of(obj) or old == obj):
            return
        self.objects[uid] = obj
        self._on_change("MODIFIED" if old is not None else "ADDED", obj, old)

    async def _wait(self, error: ClientError | ApiError) -> None:
        code = error.code if isinstance(error, ApiError) and error.code in REFUSALS else 0
        longest = REFUSED_WAIT if code else min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._failures)
        seconds = longest * random.uniform(0.5, 1.0)
        self._failures += 1
        retry_at = self._clock.time() + seconds
        self._set_state(replace(self.state, connected=False, error=str(error), retry_at=retry_at, code=code))
        await self._clock.sleep(seconds)

    def _set_state(self, state: InformerState) -> None:
        if state != self.state:
            self.state = state
            self._on_state(state)


def _version_of(event: Obj) -> str:
    """The resourceVersion of an object or a list; in a Table of one row, that of the row's object."""
    version = str((event.get("metadata") or {}).get("resourceVersion") or "")
    for row in event.get("rows") or [] if not version or event.get("kind") == "Table" else ():
        version = str(((row.get("object") or {}).get("metadata") or {}).get("resourceVersion") or "") or version
    return version


def _ends_initial(bookmark: Obj) -> bool:
    """Whether a BOOKMARK says that all initial events have been sent. In a Table its object is in the only row."""
    objs = [bookmark, *((row.get("object") or {}) for row in bookmark.get("rows") or [])]
    return any(annotations_of(obj).get(INITIAL_EVENTS_END) == "true" for obj in objs)
