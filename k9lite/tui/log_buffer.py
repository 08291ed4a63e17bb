"""A byte-capped ring of log lines. Lines have absolute numbers that never change, so a view does not drift."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

DEFAULT_BYTES = 64 * 1024 * 1024
LINE_OVERHEAD = 100
"""Bytes of a line besides its characters, as Python keeps it."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Line = tuple[int, str]
"""(number of its source, text with its timestamp)."""


class LogBuffer:
    """Oldest lines leave when `max_bytes` is reached; `dropped` counts them."""

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self.first = 0
        """Number of the oldest line kept."""
        self.bytes = 0
        self._lines: list[Line] = []
        self._start = 0

    @property
    def dropped(self) -> int:
        return self.first

    @property
    def end(self) -> int:
        """The number that the next line will have."""
        return self.first + len(self)

    def __len__(self) -> int:
        return len(self._lines) - self._start

    def __getitem__(self, number: int) -> Line:
        """The line of that absolute number. Raises IndexError for one that is gone or not there yet."""
        offset = number - self.first
        if not 0 <= offset < len(self):
            raise IndexError(number)
        return self._lines[self._start + offset]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines[self._start :])

    def extend(self, lines: Iterable[Line]) -> None:
        """Add lines, dropping the oldest where there are too many bytes."""
        for line in lines:
            self._lines.append(line)
            self.bytes += len(line[1]) + LINE_OVERHEAD
        while self.bytes > self.max_bytes and len(self) > 1:
            self.bytes -= len(self._lines[self._start][1]) + LINE_OVERHEAD
            self._start += 1
            self.first += 1
        if self._start > 10_000 and self._start * 2 > len(self._lines):
            del self._lines[: self._start]
            self._start = 0

    def find(self, pattern: re.Pattern[str], start: int, step: int) -> int | None:
        """The number of the next line with a match from `start` on, going up or down, once around."""
        count = len(self)
        for distance in range(count):
            number = self.first + (start - self.first + step * distance) % count
            if pattern.search(self[number][1]):
                return number
        return None


def clean(raw: bytes) -> str:
    """A line as text a terminal can show: no escape sequences, no control characters, tabs widened."""
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\t" in text:
        text = text.expandtabs(8)
    if not text.isprintable():
        text = _CONTROLS.sub("�", text.rpartition("\r")[2])
    return text
