"""A program's streams in a container: what engines give and the API server carries to a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run beside a container's own, as kubectl exec asks for."""

    words: tuple[str, ...]
    stdin: bool = False
    tty: bool = False


class Session(Protocol):
    """The streams of a program in a container. Its user closes it in any case."""

    async def write(self, data: bytes) -> None:
        """To its standard input; returns once there is room for more. Nothing happens once it has ended."""

    async def end_input(self) -> None:
        """The program reads the end of its input."""

    async def resize(self, width: int, height: int) -> None:
        """Of its terminal, in characters; nothing without one."""

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(1: stdout or the terminal, 2: stderr; bytes), until the program ends."""

    async def wait(self) -> int:
        """The exit code; 128 + n after signal n."""

    async def close(self) -> None:
        """End what was started for the session alone."""
