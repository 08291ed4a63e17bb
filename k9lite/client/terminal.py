"""A program in a container joined with our own standard streams, in the terminal's raw mode where one is asked for."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import sys
import termios
import tty as ttys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress

from k9lite.client.remote_command import CHUNK, STDERR, Program

STDIN_FD = 0
LEAVE_KEY = b"\x1d"
"""ctrl+], as telnet has it."""


def is_terminal() -> bool:
    """Whether our input is a terminal, which `-t` needs."""
    return os.isatty(STDIN_FD)


async def join(program: Program, *, stdin: bool, tty: bool, leave: Callable[[], None] | None = None) -> int:
    """Carry input and output until the program ends; returns its exit code. Raises ApiError, ConnectionLost.

    With `leave`, ctrl+] calls that instead of reaching the program.
    """
    sending: asyncio.Task[None] | None = None
    with _raw_mode(tty):
        async with _sizes(program, tty):
            try:
                if stdin:
                    sending = asyncio.create_task(_send_input(program, leave), name="terminal-input")
                async for channel, chunk in program.output():
                    await asyncio.to_thread(_print, channel, chunk)
            finally:
                if sending is not None:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
    return program.exit_code


def _print(channel: int, chunk: bytes) -> None:
    """In a thread: a reader of ours that is slow holds up the program, not the connection."""
    stream = sys.stderr.buffer if channel == STDERR else sys.stdout.buffer
    stream.write(chunk)
    stream.flush()


# Input -----------------------------------------------------------------------------------------------
async def _send_input(program: Program, leave: Callable[[], None] | None) -> None:
    """A chunk is read once the one before it is sent. The thread that waits for it is woken when we are cancelled."""
    loop = asyncio.get_running_loop()
    wake_reader, wake_writer = os.pipe()
    with ThreadPoolExecutor(1, thread_name_prefix="terminal-input") as thread:
        try:
            while chunk := await loop.run_in_executor(thread, _read, wake_reader):
                if leave is not None and LEAVE_KEY in chunk:
                    leave()
                    return
                await program.write(chunk)
            await program.end_input()
        finally:
            os.write(wake_writer, b"!")
            thread.shutdown()
            os.close(wake_writer)
            os.close(wake_reader)


def _read(wake: int) -> bytes:
    """Input may be a file, a pipe or a terminal, and is not made non-blocking, because others share it."""
    ready, _, _ = select.select([STDIN_FD, wake], [], [])
    if wake in ready:
        return b""
    try:
        return os.read(STDIN_FD, CHUNK)
    except OSError:  # the terminal is gone
        return b""


# Terminal --------------------------------------------------------------------------------------------
@contextmanager
def _raw_mode(wanted: bool) -> Iterator[None]:
    """Every key goes to the program, ctrl+c too."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(STDIN_FD)
    ttys.setraw(STDIN_FD)
    try:
        yield
    finally:
        termios.tcsetattr(STDIN_FD, termios.TCSADRAIN, before)


@asynccontextmanager
async def _sizes(program: Program, wanted: bool) -> AsyncIterator[None]:
    """Tell the program the terminal's size, and each change of it."""
    if not wanted:
        yield
        return
    loop = asyncio.get_running_loop()
    telling: set[asyncio.Task[None]] = set()

    def tell() -> None:
        task = asyncio.create_task(program.resize(*shutil.get_terminal_size()), name="terminal-size")
        telling.add(task)
        task.add_done_callback(telling.discard)

    before = signal.getsignal(signal.SIGWINCH)
    with suppress(ValueError, RuntimeError):  # not in the main thread
        loop.add_signal_handler(signal.SIGWINCH, tell)
    tell()
    try:
        yield
    finally:
        with suppress(ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGWINCH)
            signal.signal(signal.SIGWINCH, before)
        await asyncio.gather(*telling, return_exceptions=True)
