"""Watch streams: newline-delimited events, with selectors that turn changes into appearances and departures.

An event's bytes are the stored bytes, unless a Table is asked for or the object left the selection, in which case
its last matching content is sent with the event's resourceVersion (cacher.convertToWatchEvent upstream).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, encode
from k9lite.api.resources import Resource
from k9lite.api.table import partial, table
from k9lite.apiserver.listing import check_watch_options
from k9lite.apiserver.requests import PARTIAL, TABLE, whole_number
from k9lite.clock import Clock
from k9lite.store.store import Store
from k9lite.store.watch import Event, Stored, Watch

BOOKMARK_SECONDS = 60.0
CHUNK = 200
"""Objects joined into one write at the start of a watch."""
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

Matches = Callable[[Obj], bool]


class Encoder:
    """Events as lines. A Table's column definitions are sent with the first event alone."""

    def __init__(self, resource: Resource, clock: Clock, form: str, include_object: str) -> None:
        self._resource = resource
        self._clock = clock
        self._form = form
        self._include_object = include_object
        self._first = True

    def line(self, verb: str, obj: Obj, body: bytes | None = None) -> bytes:
        if self._form == PARTIAL and verb != "ERROR":
            body = encode(partial(obj))
        elif self._form == TABLE and verb not in ("BOOKMARK", "ERROR"):
            rv = obj["metadata"]["resourceVersion"]
            body = encode(
                table(self._resource, [obj], rv, self._clock.time(), self._include_object, columns=self._first)
            )
            self._first = False
        elif verb not in ("BOOKMARK", "ERROR"):
            body = self._resource.body(obj, body or b"")
        return b'{"type":"' + verb.encode() + b'","object":' + (body or encode(obj)) + b"}\n"

    def event(self, event: Event, matches: Matches) -> bytes | None:
        """The line of a stored event; None if it does not concern the selection."""
        is_in = event.verb != "DELETED" and matches(event.stored.obj)
        was_in = event.old is not None and matches(event.old.obj)
        if is_in:
            return self.line("MODIFIED" if was_in else "ADDED", event.stored.obj, event.stored.body)
        if not was_in:
            return None
        if event.verb == "DELETED":
            return self.line("DELETED", event.stored.obj, event.stored.body)
        assert event.old is not None
        left = event.old.copy()
        left["metadata"]["resourceVersion"] = str(event.rv)
        return self.line("DELETED", left)

    def bookmark(self, rv: int, *, initial_events_end: bool = False) -> bytes:
        metadata: Obj = {"resourceVersion": str(rv)}
        if initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return self.line("BOOKMARK", obj)


class Start(NamedTuple):
    """What a watch begins with: objects to announce, the events after them, whether to mark the end of the objects."""

    initial: list[Stored]
    watch: Watch
    marks_end: bool
    rv: int
    """The resourceVersion after which the events begin."""


def start_of(store: Store, query: Mapping[str, str], resource: Resource, namespace: str | None) -> Start:
    """The objects are in the order of their resourceVersions, so that a client may resume from any of them.

    Raises ApiError 400, 410, 422 or 504.
    """
    check_watch_options(query)
    asks_initial = query.get("sendInitialEvents", "")
    since = whole_number(query, "resourceVersion") or 0
    wants_initial = asks_initial.lower() in ("true", "1")
    if since > store.rv:
        raise store.too_large(since)
    if wants_initial or (since == 0 and not asks_initial):
        initial = sorted(store.list(resource.key, namespace), key=lambda stored: stored.rv)
        return Start(initial, store.watch(resource.key, namespace), wants_initial, store.rv)
    return Start([], store.watch(resource.key, namespace, since=since or None), False, since or store.rv)


async def failure(encoder: Encoder, error: ApiError) -> AsyncIterator[bytes]:
    """A stream that says why it is none."""
    yield encoder.line("ERROR", error.to_status())


async def lines(
    store: Store, encoder: Encoder, start: Start, matches: Matches, *, bookmarks: bool, seconds: float
) -> AsyncIterator[bytes]:
    """Chunks of whole lines, as they happen, for that many seconds. The last one is a bookmark, if those are wanted."""
    initial, watch, marks_end, last = start
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with watch:
        for index in range(0, len(initial), CHUNK):
            page = initial[index : index + CHUNK]
            yield b"".join(encoder.line("ADDED", found.obj, found.body) for found in page if matches(found.obj))
        if marks_end and bookmarks:
            yield encoder.bookmark(last, initial_events_end=True)
        next_event = asyncio.ensure_future(anext(watch))
        next_bookmark = min(loop.time() + BOOKMARK_SECONDS, end)
        try:
            while (now := loop.time()) < end:
                done, _ = await asyncio.wait({next_event}, timeout=next_bookmark - now)
                if done:
                    chunk, last, ended = _gather(next_event, watch, encoder, matches, last)
                    if chunk:
                        yield chunk
                    if ended:
                        return
                    next_event = asyncio.ensure_future(anext(watch))
                if loop.time() >= next_bookmark:
                    next_bookmark = min(loop.time() + BOOKMARK_SECONDS, end)
                    if bookmarks:
                        has_all = watch.is_caught_up and not next_event.done()
                        yield encoder.bookmark(last := store.rv if has_all else last)
        finally:
            next_event.cancel()
            await asyncio.gather(next_event, return_exceptions=True)


def _gather(
    done: asyncio.Future[Event], watch: Watch, encoder: Encoder, matches: Matches, last: int
) -> tuple[bytes, int, bool]:
    """The lines of all events that can be had at once, the last resourceVersion, and whether the watch has ended."""
    try:
        events = [done.result(), *watch.ready()]
    except StopAsyncIteration:
        return b"", last, True
    except ApiError as error:
        return encoder.line("ERROR", error.to_status()), last, True
    found = [line for event in events if (line := encoder.event(event, matches)) is not None]
    return b"".join(found), events[-1].rv, False
