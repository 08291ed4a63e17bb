"""Logs of host processes: one file that the process itself appends to.

    <container>/log        what stdout and stderr wrote, in order

The file is opened with O_APPEND by the process, so it cannot be renamed away from under it. Beyond its limit its oldest
part is given back to the file system by punching a hole: nothing that was written is lost while it is done, and the
process notices nothing. Readers skip the hole, which reads as zero bytes. Where the file system cannot punch holes the
file is cut to nothing instead, after its newest part is copied to `log.1`; what is written in between is lost.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from k9lite.clock import rfc3339_micro

CHUNK = 64 * 1024
POLL_SECONDS = 0.1
"""How soon a new line is seen by those who follow."""
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02
_BLOCK = 4096


@lru_cache(maxsize=1)
def _fallocate() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return function


def trim(path: Path, keep_bytes: int, slack_bytes: int) -> bool:
    """Free the oldest part of a log that holds more than `keep_bytes` + `slack_bytes`. Whether it did."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        status = os.fstat(fd)
        if status.st_blocks * 512 <= keep_bytes + slack_bytes:
            return False
        cut = (status.st_size - keep_bytes) // _BLOCK * _BLOCK
        if cut <= 0:
            return False
        punch = _fallocate()
        if punch is None or punch(fd, _PUNCH_HOLE | _KEEP_SIZE, 0, cut) != 0:
            _copy_and_truncate(path, fd, cut)
        return True
    finally:
        os.close(fd)


def _copy_and_truncate(path: Path, fd: int, start: int) -> None:
    with open(path.with_name("log.1"), "wb") as older:
        os.lseek(fd, start, os.SEEK_SET)
        while chunk := os.read(fd, CHUNK):
            older.write(chunk)
    os.ftruncate(fd, 0)


def _first_byte(fd: int) -> int:
    """Where the text begins: after the hole, and after the line that the hole has cut."""
    size = os.fstat(fd).st_size
    if not size or os.pread(fd, 1, 0) != b"\0":
        return 0
    try:
        at = os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:
        return size
    while at < size:
        chunk = os.pread(fd, CHUNK, at)
        found = chunk.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(chunk)
    return size


def _start_of_tail(fd: int, first: int, lines: int) -> int:
    """Offset of the last `lines` lines."""
    end = at = os.fstat(fd).st_size
    if lines <= 0:
        return end
    if end > first and os.pread(fd, 1, end - 1) == b"\n":
        at = end - 1
    missing = lines
    while at > first:
        start = max(first, at - CHUNK)
        chunk = os.pread(fd, at - start, start)
        while (found := chunk.rfind(b"\n")) >= 0:
            missing -= 1
            if missing == 0:
                return start + found + 1
            chunk = chunk[:found]
        at = start
    return first


async def read(
    path: Path,
    *,
    running: Callable[[], bool],
    follow: bool,
    tail: int | None,
    timestamps: bool,
    now: Callable[[], float],
    since: float | None = None,
) -> AsyncGenerator[bytes, None]:
    """Whole lines. With `follow` until `running` says no and all is read.

    Nobody dates lines while they are written, so `timestamps` are those of the moment a line was seen: the file's last
    change for lines that were there already. `since` is held against the same: all of them, or none.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        at = _first_byte(fd)
        if tail is not None:
            at = _start_of_tail(fd, at, tail)
        rest = b""
        stamp = os.fstat(fd).st_mtime
        if since is not None and stamp < since:
            at = os.fstat(fd).st_size
        while True:
            going_on = running()
            chunk = os.pread(fd, CHUNK, at)
            if chunk:
                at += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                mark = rfc3339_micro(stamp).encode() + b" " if timestamps else b""
                for line in lines:
                    yield mark + line + b"\n"
                await asyncio.sleep(0)
                continue
            if not follow or not going_on:
                break
            if os.fstat(fd).st_size < at:
                at = 0
            await asyncio.sleep(POLL_SECONDS)
            stamp = now()
        if rest:
            yield (rfc3339_micro(stamp).encode() + b" " if timestamps else b"") + rest + b"\n"
    finally:
        os.close(fd)


class LogSession:
    """A process's own output from now on, as `kubectl attach` shows it. Its input is /dev/null, so none can be sent."""

    def __init__(self, lines: AsyncGenerator[bytes, None], ended: asyncio.Event, exit_code: Callable[[], int]) -> None:
        self._lines = lines
        self._ended = ended
        self._exit_code = exit_code

    async def write(self, data: bytes) -> None:
        return None

    async def end_input(self) -> None:
        return None

    async def resize(self, width: int, height: int) -> None:
        return None

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        async for line in self._lines:
            yield 1, line

    async def wait(self) -> int:
        await self._ended.wait()
        return self._exit_code()

    async def close(self) -> None:
        await self._lines.aclose()
