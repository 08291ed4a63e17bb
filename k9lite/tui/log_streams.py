"""The logs of a set of pods that changes: new replicas join by themselves, gone ones leave their lines.

One task per container. A stream that ends is opened again when the pod changes (a restart) or after a wait (a lost
connection); timestamps tell which lines were seen before, so none is shown twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, name_of, namespace_of, uid_of
from k9lite.client.errors import ClientError
from k9lite.tui.log_buffer import Line, clean

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient

FIRST_TAIL = 1000
"""Lines of each container shown at first, as a compromise between context and waiting."""
LONGEST_WAIT = 5.0
_NOT_YET = ("ContainerCreating", "PodInitializing", "Pending")


class LogStreams:
    """`pending` gathers lines; the screen takes them several times a second."""

    def __init__(self, client: KubeClient, *, previous: bool = False, changed: Callable[[], None]) -> None:
        self._client = client
        self._previous = previous
        self._changed = changed
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._present: set[str] = set()
        self.sources: list[str] = []
        """What a line's source number stands for: pod, or pod/container."""
        self.pending: list[Line] = []
        self.problems: dict[str, str] = {}
        """By source: why its log cannot be read now."""

    def update(self, pods: Iterable[Obj]) -> None:
        """These are the pods now."""
        listed = list(pods)
        self._present = {uid_of(pod) for pod in listed}
        for pod in sorted(listed, key=name_of):
            containers = [str(each.get("name", "")) for each in dig(pod, "spec", "containers", default=[])]
            for container in containers:
                key = (uid_of(pod), container)
                if key not in self._tasks:
                    label = name_of(pod) if len(containers) == 1 else f"{name_of(pod)}/{container}"
                    self.sources.append(label)
                    follow = self._follow(pod, container, len(self.sources) - 1)
                    self._tasks[key] = asyncio.create_task(follow, name=f"log {label}")
            self._news.setdefault(uid_of(pod), asyncio.Event()).set()

    def take(self) -> list[Line]:
        """The lines that came since the last call."""
        taken, self.pending = self.pending, []
        return taken

    @property
    def count(self) -> int:
        """Streams that are open or waiting."""
        return sum(1 for task in self._tasks.values() if not task.done())

    async def _follow(self, pod: Obj, container: str, source: int) -> None:
        uid, label = uid_of(pod), self.sources[source]
        news = self._news.setdefault(uid, asyncio.Event())
        last, failures, tail = "", 0, FIRST_TAIL
        while True:
            news.clear()
            try:
                last = await self._read(pod, container, source, last, tail)
                self.problems.pop(label, None)
                failures = 0
            except (ApiError, ClientError) as error:
                failures += 1
                self._note(label, error)
            if self._previous or uid not in self._present:
                return
            self._changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_WAIT, 0.25 * 2**failures) if failures else None):
                    await news.wait()
            if uid not in self._present:
                return

    def _note(self, label: str, error: Exception) -> None:
        text = error.message if isinstance(error, ApiError) else str(error)
        waiting = any(word in text for word in _NOT_YET) or "waiting to start" in text
        self.problems[label] = "" if waiting else text
        self._changed()

    async def _read(self, pod: Obj, container: str, source: int, last: str, tail: int) -> str:
        """Read to the end of the stream. Returns the newest timestamp seen."""
        stream = self._client.logs(
            namespace_of(pod),
            name_of(pod),
            container=container,
            follow=not self._previous,
            tail=tail,
            previous=self._previous,
            timestamps=True,
        )
        seen = last
        async with aclosing(stream) as lines:  # type: ignore[type-var]
            async for raw in lines:
                text = clean(raw)
                stamp = text.partition(" ")[0]
                if stamp <= seen:
                    continue
                last = stamp
                self.pending.append((source, text))
        return last

    async def close(self) -> None:
        """End all streams."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
