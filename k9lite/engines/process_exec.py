"""Programs beside the process of a container: what `kubectl exec` runs on the process engine.

Without a terminal the program has three pipes. With one it leads a session whose controlling terminal is a pty that we
hold the other end of: a session leader gets the first terminal that it opens, which a line of `sh` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence

from k9lite.api.sessions import Command, Session
from k9lite.engines.base import CreateError
from k9lite.engines.process_shim import program

CHUNK = 32 * 1024
_OPEN_TERMINAL = 'exec <"$0" >"$0" 2>&1; exec "$@"'


async def run(command: Command, env: Mapping[str, str], working_dir: str) -> Session:
    """Start the program. Raises CreateError if there is none of that name, or it cannot be started."""
    if not command.words:
        raise CreateError("a command is needed", "BadRequest")
    try:
        path = program(command.words[0], working_dir, env.get("PATH", ""))
        words = [path, *command.words[1:]]
        if command.tty:
            return await _with_terminal(words, env, working_dir)
        return await _with_pipes(words, env, working_dir, stdin=command.stdin)
    except OSError as error:
        raise CreateError(f'exec: "{command.words[0]}": {error.strerror}', "StartError") from error


class _Process:
    """What both kinds of sessions share: the end of the program and of all that it started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> int:
        code = await self._process.wait()
        return 128 - code if code < 0 else code

    async def _end(self) -> None:
        """To the whole group: a shell's children must not stay."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


# Pipes -----------------------------------------------------------------------------------------------
async def _with_pipes(words: Sequence[str], env: Mapping[str, str], working_dir: str, *, stdin: bool) -> Session:
    process = await asyncio.create_subprocess_exec(
        *words,
        env=dict(env),
        cwd=working_dir,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=CHUNK,
    )
    return _PipeSession(process)


class _PipeSession(_Process):
    async def write(self, data: bytes) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    async def end_input(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.close()
                await self._process.stdin.wait_closed()

    async def resize(self, width: int, height: int) -> None:
        return None

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(8)

        async def read(number: int, stream: asyncio.StreamReader) -> None:
            while chunk := await stream.read(CHUNK):
                await queue.put((number, chunk))
            await queue.put((number, b""))

        readers = [
            asyncio.create_task(read(number, stream), name=f"exec-output-{number}")
            for number, stream in ((1, self._process.stdout), (2, self._process.stderr))
        ]
        try:
            ended = 0
            while ended < len(readers):
                number, chunk = await queue.get()
                if chunk:
                    yield number, chunk
                else:
                    ended += 1
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def close(self) -> None:
        await self._end()
        if self._process.stdin is not None:
            self._process.stdin.close()


# Terminal --------------------------------------------------------------------------------------------
async def _with_terminal(words: Sequence[str], env: Mapping[str, str], working_dir: str) -> Session:
    master, slave = os.openpty()
    try:
        os.set_blocking(master, False)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _OPEN_TERMINAL,
            os.ttyname(slave),
            *words,
            env={"TERM": "xterm", **env},
            cwd=working_dir,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except BaseException:
        os.close(master)
        os.close(slave)
        raise
    return _TerminalSession(process, master, slave)


class _TerminalSession(_Process):
    """Our end of the terminal. The other end stays open here, too, until the program ends: before it has opened the
    terminal itself, and when it closes it for a moment, we must not read an end."""

    def __init__(self, process: asyncio.subprocess.Process, master: int, slave: int) -> None:
        super().__init__(process)
        self._master, self._slave = master, slave
        self._watch_end = asyncio.create_task(self._close_slave(), name="exec-terminal")

    async def _close_slave(self) -> None:
        await self._process.wait()
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._master >= 0:
            try:
                view = view[os.write(self._master, view) :]
            except BlockingIOError:
                await self._ready(write=True)
            except OSError:
                return

    async def end_input(self) -> None:
        await self.write(b"\x04")  # what a person would type

    async def resize(self, width: int, height: int) -> None:
        if self._master >= 0:
            size = struct.pack("HHHH", min(height, 0xFFFF), min(width, 0xFFFF), 0, 0)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while self._master >= 0:
            try:
                chunk = os.read(self._master, CHUNK)
            except BlockingIOError:
                await self._ready(write=False)
                continue
            except OSError as error:
                if error.errno != errno.EIO:  # EIO: every other end is closed
                    raise
                return
            if not chunk:
                return
            yield 1, chunk

    async def _ready(self, *, write: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
        master = self._master
        add(master, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            remove(master)

    async def close(self) -> None:
        await self._end()
        await self._watch_end
        if self._master >= 0:
            master, self._master = self._master, -1
            os.close(master)
