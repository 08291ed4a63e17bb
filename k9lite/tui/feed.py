"""Live objects for the screens: one informer per kind and namespace, shared by all that show it.

    server ──watch──> Informer ──change──> Subscription.pending ──drain, 4-10 times a second──> tables of the screen

A subscription of a hidden screen is paused: it gathers nothing and takes over the whole state when it is resumed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from k9lite.api.objects import Obj, uid_of
from k9lite.api.resources import Resource

if TYPE_CHECKING:
    from k9lite.client.informer import Informer, InformerState
    from k9lite.client.rest import KubeClient

Change = tuple[str, Obj]
"""(ADDED | MODIFIED | DELETED, object)."""
Key = tuple[str, str | None]


class Subscription:
    """One table's interest in a resource. `close` it when the table goes."""

    def __init__(self, feed: Feed, source: _Source) -> None:
        self._feed = feed
        self._source = source
        self._pending: dict[str, Change] = {}
        self._whole = True
        self.active = True

    @property
    def state(self) -> InformerState:
        return self._source.informer.state

    @property
    def objects(self) -> dict[str, Obj]:
        """Everything there is now, by uid; read-only."""
        return self._source.informer.objects

    def push(self, kind: str, obj: Obj) -> None:
        if self.active and not self._whole:
            self._pending[uid_of(obj)] = (kind, obj)

    def pause(self) -> None:
        """Stop gathering, until `resume`."""
        self.active = False
        self._pending.clear()

    def resume(self) -> None:
        self.active = True
        self._whole = True

    def drain(self) -> tuple[Iterable[Obj] | None, Iterable[Change]]:
        """(all objects, or None if only changes are news, changes since the last call)."""
        if not self.active or not self.state.synced:
            return None, ()
        if self._whole:
            self._whole = False
            self._pending.clear()
            return self.objects.values(), ()
        if not self._pending:
            return None, ()
        changes, self._pending = self._pending, {}
        return None, changes.values()

    def relist(self) -> None:
        """Take over the whole state at the next drain."""
        self._whole = True

    def close(self) -> None:
        self._feed.release(self._source, self)


class _Source:
    def __init__(self, key: Key, informer: Informer) -> None:
        self.key = key
        self.informer = informer
        self.subscriptions: set[Subscription] = set()
        self.task: asyncio.Task[None] | None = None

    def changed(self, kind: str, obj: Obj, _old: Obj | None) -> None:
        for subscription in self.subscriptions:
            subscription.push(kind, obj)


class Feed:
    """All informers of one connection."""

    def __init__(self, client: KubeClient, on_state: Callable[[], None]) -> None:
        self.client = client
        self._on_state = on_state
        self._sources: dict[Key, _Source] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def subscribe(self, resource: Resource, namespace: str | None) -> Subscription:
        """Interest in a resource of one namespace; None or "": of all."""
        from k9lite.client.informer import Informer

        key = (resource.key, (namespace or None) if resource.namespaced else None)
        source = self._sources.get(key)
        if source is None:
            informer = Informer(
                self.client,
                resource,
                key[1],
                on_change=lambda kind, obj, old: made.changed(kind, obj, old),
                on_state=lambda _: self._on_state(),
            )
            made = source = _Source(key, informer)
            source.task = asyncio.create_task(informer.run(), name=f"informer {key[0]}")
            source.task.add_done_callback(self._ended)
            self._sources[key] = source
        subscription = Subscription(self, source)
        source.subscriptions.add(subscription)
        return subscription

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.failure = f"{task.get_name()} failed: {task.exception()}"
            self._on_state()

    failure: str = ""
    """Why an informer ended, which it never should."""

    def release(self, source: _Source, subscription: Subscription) -> None:
        source.subscriptions.discard(subscription)
        if not source.subscriptions and source.task and self._sources.get(source.key) is source:
            del self._sources[source.key]
            source.task.cancel()
            self._closing.add(source.task)
            source.task.add_done_callback(self._closing.discard)

    def trouble(self) -> tuple[str, float | None]:
        """(what is wrong with the connection, when it is tried again); empty while all is well.

        A kind that the server does not have or refuses is told in its own table, not here.
        """
        states = [source.informer.state for source in self._sources.values() if source.informer.state.error]
        lost = [state for state in states if state.code == 0 or state.code == 401 or state.synced]
        if not lost:
            return self.failure, None
        first = min(lost, key=lambda state: (state.code != 0, state.retry_at or 0.0))
        said = {0: "connection lost: ", 401: "the server does not accept the credentials: "}.get(first.code, "")
        return said + first.error, first.retry_at

    def reconnect(self) -> None:
        """Start every informer anew, with a fresh list."""
        for source in list(self._sources.values()):
            source.informer = self._restarted(source)
            for subscription in source.subscriptions:
                subscription.relist()

    def _restarted(self, source: _Source) -> Informer:
        from k9lite.client.informer import Informer

        old = source.informer
        if source.task:
            source.task.cancel()
            self._closing.add(source.task)
            source.task.add_done_callback(self._closing.discard)
        fresh = Informer(
            self.client,
            old.resource,
            old.namespace,
            on_change=source.changed,
            on_state=lambda _: self._on_state(),
        )
        fresh.objects = dict(old.objects)
        source.task = asyncio.create_task(fresh.run(), name=f"informer {source.key[0]}")
        source.task.add_done_callback(self._ended)
        return fresh

    async def close(self) -> None:
        """End all informers."""
        tasks = [source.task for source in self._sources.values() if source.task] + list(self._closing)
        self._sources.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
