"""The node's line to one engine: whether it answers, what runs on it, what has ended.

    away ──list answers──> listening ──EngineUnavailable──> away (asked again after 1, 2, 4 ... 15 s)

While it listens everything is listed again each minute: an engine's events are a hint, its list is what counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from k9lite.clock import Clock
from k9lite.engines.base import ContainerState, Engine, EngineError, EngineUnavailable, NoSuchContainer

log = logging.getLogger("k9lite.node")

RELIST_SECONDS = 60.0
MAX_RETRY_SECONDS = 15.0

Listed = Callable[["EngineLink", list[ContainerState], float], Awaitable[None]]
"""(link, containers, monotonic time at which they were asked for)"""


class EngineLink:
    """One engine as the node sees it."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        on_list: Listed,
        on_exit: Callable[[str, ContainerState | None], None],
        on_state: Callable[[], None],
    ) -> None:
        self.engine = engine
        self.available = False
        self.error = f"the {engine.name} engine has not answered yet"
        self.version = ""
        self.asked = asyncio.Event()
        """Set once it is known whether the engine answers."""
        self._clock = clock
        self._on_list, self._on_exit, self._on_state = on_list, on_exit, on_state
        self._lost = asyncio.Event()

    def lost(self, error: EngineError) -> None:
        """A call found the engine away."""
        if self.available:
            log.warning("engine %s: %s", self.engine.name, error)
            self.available = False
            self._lost.set()
            self._problem(error)

    def _problem(self, error: EngineError | str) -> None:
        """Why the engine cannot be used, as far as is known now: the last try says more than the first."""
        if self.error != str(error):
            self.error = str(error)
            self._on_state()

    async def run(self) -> None:
        """Keep the line for ever."""
        wait = 1.0
        while True:
            try:
                await self.relist()
                wait = 1.0
                await self._listen()
            except EngineUnavailable as error:
                self.lost(error)
                self._problem(error)
            except EngineError as error:
                self._problem(error)
            except Exception as error:
                log.exception("engine %s", self.engine.name)
                self._problem(f"{type(error).__name__}: {error}")
            self.asked.set()
            await self._clock.sleep(wait)
            wait = min(wait * 2, MAX_RETRY_SECONDS)

    async def relist(self) -> None:
        """Take stock of the engine. Raises EngineError."""
        at = self._clock.monotonic()
        found = await self.engine.list()
        if not self.available:
            info = await self.engine.info()
            self.version = f"{info.name}://{info.version}"
            self.available = True
            self.error = ""
            self._lost.clear()
            await self._on_list(self, found, at)
            self.asked.set()
            self._on_state()
        else:
            await self._on_list(self, found, at)

    async def _listen(self) -> None:
        """Follow exits and list again each minute, until the engine is away."""
        tasks = [
            asyncio.create_task(self._follow_exits(), name=f"exits-{self.engine.name}"),
            asyncio.create_task(self._relist_regularly(), name=f"relist-{self.engine.name}"),
            asyncio.create_task(self._wait_until_lost(), name=f"lost-{self.engine.name}"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_until_lost(self) -> None:
        await self._lost.wait()
        raise EngineUnavailable(self.error)

    async def _relist_regularly(self) -> None:
        # What ended between the first list and the start of the event stream is found by the second.
        await self._clock.sleep(1.0)
        while True:
            await self.relist()
            await self._clock.sleep(RELIST_SECONDS)

    async def _follow_exits(self) -> None:
        exits = self.engine.exits()
        try:
            async for container in exits:
                state: ContainerState | None = None
                with contextlib.suppress(NoSuchContainer):
                    state = await self.engine.inspect(container)
                self._on_exit(container, state)
        finally:
            close = getattr(exits, "aclose", None)
            if close is not None:
                await close()
        raise EngineUnavailable(f"the {self.engine.name} engine went away: it closed its event stream")
