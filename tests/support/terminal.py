"""A real terminal for a test: a tmux server of its own, whose screen is read and whose keys are pressed."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.wait import eventually

SECONDS = 60.0
"""The longest wait for a text: far longer than it takes, for machines that have other things to do."""
LOOK_SECONDS = 0.1


class Terminal:
    """One session. `directory` holds the socket; the command's stderr goes to `errors`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.errors = directory / "stderr"
        self._environment = {**environment, "TMUX_TMPDIR": str(directory), "TERM": "xterm-256color"}
        self._environment.pop("TMUX", None)

    async def _tmux(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "-L",
            "k9lite",
            "-f",
            os.devnull,
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    async def open(self, command: Sequence[str], size: tuple[int, int], **variables: str) -> None:
        """Run a command in a new session of that size."""
        width, height = size
        settings = [f"{key}={value}" for key, value in variables.items()]
        line = f"exec env {shlex.join([*settings, *command])} 2>>{shlex.quote(str(self.errors))}"
        code, out = await self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), line)
        assert code == 0, out

    async def keys(self, *keys: str) -> None:
        """Press keys, as tmux names them."""
        code, out = await self._tmux("send-keys", *keys)
        assert code == 0, f"{keys}: {out or 'the session has ended'}{self.said()}"

    async def type(self, text: str) -> None:
        code, out = await self._tmux("send-keys", "-l", text)
        assert code == 0, out

    async def resize(self, width: int, height: int) -> None:
        await self._tmux("resize-window", "-x", str(width), "-y", str(height))

    async def screen(self) -> str:
        """What is on the screen now."""
        code, out = await self._tmux("capture-pane", "-p")
        assert code == 0, f"the session has ended: {out}{self.said()}"
        return out

    async def until(self, pattern: str, *, absent: str = "") -> re.Match[str]:
        """Wait until the screen shows a regular expression, and `absent` nowhere."""

        async def look() -> re.Match[str]:
            screen = await self.screen()
            found = re.search(pattern, screen)
            assert found, f"not on the screen: {pattern}\n{screen}"
            assert not absent or absent not in screen, f"still on the screen: {absent}\n{screen}"
            return found

        return await eventually(look, timeout=SECONDS, every=LOOK_SECONDS)

    async def until_ended(self) -> None:
        """Wait until the command has ended, and the session with it."""

        async def ended() -> bool:
            code, _ = await self._tmux("has-session")
            return code != 0

        await eventually(ended, timeout=SECONDS, every=LOOK_SECONDS)

    def said(self) -> str:
        """The command's stderr."""
        return self.errors.read_text() if self.errors.exists() else ""

    async def close(self) -> None:
        await self._tmux("kill-server")


@asynccontextmanager
async def terminal(directory: Path, environment: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """A terminal that is gone afterwards, with what ran in it."""
    made = Terminal(directory, environment)
    try:
        yield made
    finally:
        await made.close()
