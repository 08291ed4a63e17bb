"""Keys that are typed faster than screens open.

Textual hands a key to the focused widget, and looks at bindings only when it has come back up to the app. When the
binding of one key opens a dialog, the keys that were typed after it have already left for the old screen: the dialog
would miss its first letters, but get the enter after them. So what comes back from a screen that is no longer on top,
used by nobody, is sent again to the one that is, once that can take keys.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

from textual import events
from textual.app import App
from textual.screen import Screen

REMEMBERED = 64
"""Keys that may be on their way at once; nobody types further ahead."""
OPEN_SECONDS = 2.0
"""A screen that takes longer gets its keys before it is complete."""


class TypeAhead(App[None]):
    """Mixed into the app."""

    def __init__(self) -> None:
        super().__init__()
        self._on_their_way: deque[tuple[events.Key, Screen[Any]]] = deque(maxlen=REMEMBERED)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and self.screen_stack:
            if event.is_forwarded:
                sent_to = self._take(event)
                if sent_to is not None and sent_to is not self.screen:
                    event = events.Key(event.key, event.character)
            if not event.is_forwarded:
                await self._until_open()
                self._on_their_way.append((event, self.screen))
        await super().on_event(event)

    def _take(self, event: events.Key) -> Screen[Any] | None:
        """The screen that the key was sent to."""
        for pair in self._on_their_way:
            if pair[0] is event:
                self._on_their_way.remove(pair)
                return pair[1]
        return None

    async def _until_open(self) -> None:
        screen: Any = self.screen
        mounted: asyncio.Event = screen._mounted_event  # Textual has no public way to wait for it
        if not mounted.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(mounted.wait(), OPEN_SECONDS)
