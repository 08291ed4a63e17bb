"""Waiting for what another process or task will bring about."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T]], timeout: float = ...) -> T: ...
@overload
async def eventually(check: Callable[[], T], timeout: float = ...) -> T: ...
async def eventually(check: Callable[[], Any], timeout: float = 10.0) -> Any:
    """The first true answer of `check`, asked every 10 ms. Fails with the last answer or error seen."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    last: object = None
    while True:
        try:
            answer = check()
            value = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            last = value
        except Exception as error:  # the check may look at what is not there yet
            last = error
        if loop.time() >= end:
            raise AssertionError(f"not within {timeout} s; last seen: {last!r}")
        await asyncio.sleep(0.01)
