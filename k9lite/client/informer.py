"""An informer: a live copy of one resource, kept by list and watch, over lost connections, for ever.

    list ──ok──> watch from its resourceVersion ──ended──> watch again from the last seen
      ^                     │ 410                                │ lost / refused
      └─────────────────────┴──────────── wait with jitter <─────┘   (then watch again; list anew after a 410)

After a new list only the differences are announced, so a reader never has to start over.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, uid_of, version_of
from k9lite.api.resources import Resource
from k9lite.client.errors import ClientError
from k9lite.client.rest import KubeClient
from k9lite.clock import Clock, SystemClock

FIRST_WAIT = 0.2
LONGEST_WAIT = 15.0


@dataclass(frozen=True, slots=True)
class InformerState:
    """`retry_at` is in seconds since the epoch; `synced` means that `objects` has been complete at least once."""

    connected: bool = False
    error: str = ""
    retry_at: float | None = None
    synced: bool = False


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
        self.objects: dict[str, Obj] = {}
        self.state = InformerState()
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled. Errors become states."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except (ClientError, ApiError) as error:
                if isinstance(error, ApiError) and error.code == 410:
                    self._version = ""
                    if self._failures == 0:
                        self._failures = 1
                        continue
                await self._wait(str(error))

    async def _list(self) -> None:
        """Take over a whole list, announcing what differs."""
        listed = await self._client.list(
            self.resource, self.namespace, label_selector=self._labels, field_selector=self._fields
        )
        fresh = {uid_of(obj): obj for obj in listed.get("items") or []}
        self._version = str((listed.get("metadata") or {}).get("resourceVersion") or "0")
        for uid in [uid for uid in self.objects if uid not in fresh]:
            gone = self.objects.pop(uid)
            self._on_change("DELETED", gone, gone)
        for obj in fresh.values():
            self._take("MODIFIED", obj)
        self._set_state(InformerState(connected=True, synced=True))

    async def _watch(self) -> None:
        """One watch, until the server ends it. One that ends at once, with nothing, must not make a busy loop."""
        began, seen = self._clock.monotonic(), False
        events = self._client.watch(
            self.resource,
            self.namespace,
            since=self._version,
            label_selector=self._labels,
            field_selector=self._fields,
            on_open=self._opened,
        )
        async with aclosing(events) as source:  # type: ignore[type-var]
            async for kind, obj in source:
                self._failures, seen = 0, True
                self._version = str((obj.get("metadata") or {}).get("resourceVersion") or self._version)
                if kind != "BOOKMARK":
                    self._take(kind, obj)
        if not seen and self._clock.monotonic() - began < 1.0:
            await self._clock.sleep(random.uniform(0.5, 1.0))

    def _opened(self) -> None:
        self._failures = min(self._failures, 3)  # a stream that opens and breaks at once still backs off
        self._set_state(replace(self.state, connected=True, error="", retry_at=None))

    def _take(self, kind: str, obj: Obj) -> None:
        """Apply one change and announce it, if it is one."""
        uid = uid_of(obj)
        old = self.objects.get(uid)
        if kind == "DELETED":
            if self.objects.pop(uid, None) is not None:
                self._on_change("DELETED", obj, old)
            return
        if old is not None and version_of(old) == version_of(obj):
            return
        self.objects[uid] = obj
        self._on_change("MODIFIED" if old is not None else "ADDED", obj, old)

    async def _wait(self, error: str) -> None:
        seconds = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._failures) * random.uniform(0.5, 1.0)
        self._failures += 1
        retry_at = self._clock.time() + seconds
        self._set_state(replace(self.state, connected=False, error=error, retry_at=retry_at))
        await self._clock.sleep(seconds)

    def _set_state(self, state: InformerState) -> None:
        if state != self.state:
            self.state = state
            self._on_state(state)
