"""The control plane's end of the proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from k9lite.clock import SystemClock
from k9lite.proxy.link import ProxyLink
from k9lite.settings import Settings


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost(tmp_path: Path) -> None:
    """Else the task that tells the table would go on, and a control plane that stops would wait for it for ever."""
    link = ProxyLink(Settings(home=tmp_path), SystemClock())
    waiting = asyncio.create_task(link._answer(link._acks, 1, 60.0))
    while 1 not in link._acks:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)
    link._acks[1].set_result(None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
