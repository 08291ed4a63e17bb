"""Watch streams: newline-delimited events, with selectors that turn changes into appearances and departures.

An event's bytes are the stored bytes, unless a Table is asked for or the object left the selection, in which case
its last matching content is sent with the event's resourceVersion (cacher.convertToWatchEvent upstream).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, encode
from k9lite.api.resources import Resource
from k9lite.api.table import table
from k9lite.apiserver.requests import whole_number
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

    def __init__(self, resource: Resource, clock: Clock, include_object: str | None) -> None:
        self._resource = resource
        self._clock = clock
        self._include_object = include_object
        self._first = True

    def line(self, verb: str, obj: Obj, body: bytes | None = None) -> bytes:
        if self._include_object is not None and verb not in ("BOOKMARK", "ERROR"):
            rv = obj["metadata"]["resourceVersion"]
            body = encode(
                table(self._resource, [obj], rv, self._clock.time(), self._include_object, columns=self._first)
            )
            self._first = False
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


def start_of(store: Store, query: Any, resource: Resource, namespace: str | None) -> tuple[list[Stored], Watch, bool]:
    """What a watch begins with: objects to announce, the live events after them, and whether to mark their end.

    Raises ApiError 400, 410, 422 or 504.
    """
    asks_initial = query.get("sendInitialEvents", "")
    since = whole_number(query, "resourceVersion") or 0
    if asks_initial and query.get("resourceVersionMatch") != "NotOlderThan":
        raise ApiError(
            422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )  # fmt: skip
    if asks_initial.lower() in ("true", "1"):
        return store.list(resource.key, namespace), store.watch(resource.key, namespace), True
    if since == 0 and not asks_initial:
        return store.list(resource.key, namespace), store.watch(resource.key, namespace), False
    return [], store.watch(resource.key, namespace, since=since or None), False


async def lines(
    store: Store,
    encoder: Encoder,
    start: tuple[list[Stored], Watch, bool],
    matches: Matches,
    *,
    bookmarks: bool,
    seconds: float,
) -> AsyncIterator[bytes]:
    """Chunks of whole lines, as they happen, for that many seconds."""
    initial, watch, marks_end = start
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    last = store.rv
    async with watch:
        for index in range(0, len(initial), CHUNK):
            page = initial[index : index + CHUNK]
            yield b"".join(encoder.line("ADDED", found.obj, found.body) for found in page if matches(found.obj))
        if marks_end:
            yield encoder.bookmark(last, initial_events_end=True)
        next_event = asyncio.ensure_future(anext(watch))
        try:
            while (left := end - loop.time()) > 0:
                done, _ = await asyncio.wait({next_event}, timeout=min(left, BOOKMARK_SECONDS))
                if not done:
                    if bookmarks:
                        yield encoder.bookmark(max(last, store.rv if not watch.ready_count() else last))
                    continue
                chunk, last, ended = _gather(next_event, watch, encoder, matches, last)
                if chunk:
                    yield chunk
                if ended:
                    return
                next_event = asyncio.ensure_future(anext(watch))
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
