"""Images for containers: one pull at a time for each image, whoever waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from k9lite.engines.base import BUILT_IN, Engine, ImageError, Progress


class _Pull:
    def __init__(self) -> None:
        self.task: asyncio.Task[str]
        self.listeners: list[Progress] = []

    def progress(self, line: str) -> None:
        for listener in self.listeners:
            listener(line)


class Images:
    """All pulls of the node."""

    def __init__(self) -> None:
        self._pulls: dict[tuple[str, str], _Pull] = {}

    async def ensure(
        self, engine: Engine, image: str, policy: str, *, event: Callable[[str, str, str], None], progress: Progress
    ) -> str:
        """The image's id, after a pull if the policy asks for one. `event` gets type, reason and message.

        Raises ImageError with the waiting reason, EngineUnavailable.
        """
        present = await engine.image_id(image)
        if present is not None and (policy != "Always" or present.startswith(BUILT_IN)):
            event("Normal", "Pulled", f'Container image "{image}" already present on machine')
            return present
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            event("Warning", "ErrImageNeverPull", message)
            raise ImageError(message, "ErrImageNeverPull")
        event("Normal", "Pulling", f'Pulling image "{image}"')
        began = time.monotonic()
        try:
            found = await self._pull(engine, image, progress)
        except ImageError as error:
            event("Warning", "Failed", f'Failed to pull image "{image}": {error}')
            event("Warning", "Failed", f"Error: {error.reason}")
            raise
        took = f"{time.monotonic() - began:.3g}s"
        event("Normal", "Pulled", f'Successfully pulled image "{image}" in {took} ({took} including waiting)')
        return found

    async def _pull(self, engine: Engine, image: str, progress: Progress) -> str:
        key = (engine.name, image)
        pull = self._pulls.get(key)
        if pull is None:
            pull = self._pulls[key] = _Pull()
            pull.task = asyncio.create_task(engine.pull(image, pull.progress), name=f"pull-{image}")
            pull.task.add_done_callback(lambda task: self._finished(key, task))
        pull.listeners.append(progress)
        try:
            return await asyncio.shield(pull.task)
        finally:
            pull.listeners.remove(progress)

    def _finished(self, key: tuple[str, str], task: asyncio.Task[str]) -> None:
        self._pulls.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; nobody may be left

    async def close(self) -> None:
        """Wait for no pull any more; the engine may finish it."""
        tasks = [pull.task for pull in self._pulls.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task
