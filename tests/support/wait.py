"""Waiting for what another process or task will bring about."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T]], timeout: float = ..., every: float = ...) -> T: ...
@overload
async def eventually(check: Callable[[], T], timeout: float = ..., every: float = ...) -> T: ...
async def eventually(check: Callable[[], Any], timeout: float = 10.0, every: float = 0.01) -> Any:
    """The first true answer of `check`, asked every so many seconds. Fails with the last answer or error seen."""
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
        await asyncio.sleep(every)
