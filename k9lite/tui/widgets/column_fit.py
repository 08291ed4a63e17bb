"""Which columns fit, and how wide each one is. Pure; all widths in terminal cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from k9lite.tui.views.base import ViewColumn

GUTTER = 3
"""Mark, symbol, space: before the first column."""
_GAP = 2
_WIDE_GAP = 4
"""The most between columns where there is room to spare."""
_READABLE_NAME = 24
_NAME_SHARE = 0.45
"""Columns go rather than squeeze the name below its readable width, up to this share of the line."""
_SHORT_NAME = 16
_SHORTEST = 7
_TAIL = 6
"""Of a shortened name this much of its end stays: it tells pods of one owner apart."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One shown column: its index in the model's columns, where it starts and how wide it is."""

    index: int
    column: ViewColumn
    start: int
    width: int
    gap: int
    """Blank cells after it."""


def text_width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


class Widths:
    """What columns need for the rows seen so far; they only grow, so that nothing jumps while one reads."""

    def __init__(self, columns: Sequence[ViewColumn], sorted_by: str) -> None:
        self.wanted = [len(column.title) + (column.name == sorted_by) for column in columns]

    def grow(self, rows: Iterable[Sequence[str]]) -> bool:
        """Take in the cells of more rows; whether any column grew."""
        wanted = self.wanted
        before = list(wanted)
        for cells in rows:
            for index, text in enumerate(cells):
                width = text_width(text)
                if width > wanted[index]:
                    wanted[index] = width
        return wanted != before


def clean(text: str) -> str:
    """Without line ends and control characters, which would reach the terminal as commands."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def shorten(text: str, width: int, *, middle: bool = False) -> str:
    """At most `width` cells, with an ellipsis where something is missing."""
    if text_width(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    tail = _TAIL if middle and width >= 2 * _TAIL + 1 else 0
    head = chop_cells(text, width - tail - 1)[0]
    if not tail:
        return head + "…"
    end = text[-tail:]
    while text_width(end) > tail:
        end = end[1:]
    return f"{head}…{end}"


def pad(text: str, column: ViewColumn, width: int) -> str:
    """Exactly `width` cells."""
    text = shorten(clean(text), width, middle=column.style == "name")
    space = " " * (width - text_width(text))
    return space + text if column.right else text + space


def fit(columns: Sequence[ViewColumn], wanted: Sequence[int], width: int, stretch: str) -> list[Fitted]:
    """Columns of `wanted` widths in `width` cells: the least important go, then all shrink, the name last."""
    room = width - GUTTER
    kept = list(range(len(columns)))

    def least(index: int) -> int:
        column = columns[index]
        if column.name == stretch:
            return min(wanted[index], max(_READABLE_NAME, int(room * _NAME_SHARE)))
        return min(wanted[index], _floor(column))

    while len(kept) > 1 and sum(map(least, kept)) + _GAP * (len(kept) - 1) > room:
        last = max(kept, key=lambda index: (columns[index].priority, index))
        if columns[last].priority == 0:
            break
        kept.remove(last)
    sizes = _sizes(columns, wanted, kept, room - _GAP * (len(kept) - 1), stretch)
    return _placed(columns, kept, sizes, room)


def _floor(column: ViewColumn) -> int:
    """A column shows its whole title, or goes."""
    return max(column.least, len(column.title))


def _sizes(
    columns: Sequence[ViewColumn], wanted: Sequence[int], kept: list[int], room: int, stretch: str
) -> dict[int, int]:
    sizes = {index: min(wanted[index], columns[index].most) for index in kept}
    over = sum(sizes.values()) - room
    # The least important shrink first; nothing is left to go, so in the end all do, the name last.
    names = [index for index in kept if columns[index].name == stretch]
    others = sorted((index for index in kept if index not in names), key=lambda at: -columns[at].priority)
    steps = [(index, _floor(columns[index])) for index in others] + [(index, _SHORT_NAME) for index in names]
    steps += [(index, _SHORTEST) for index in others + names]
    for index, floor in steps:
        give = min(over, max(0, sizes[index] - floor))
        if give > 0:
            sizes[index] -= give
            over -= give
    for index in kept:
        if over < 0 and columns[index].name == stretch:
            take = min(-over, max(0, wanted[index] - sizes[index]))
            sizes[index] += take
            over += take
    return sizes


def _placed(columns: Sequence[ViewColumn], kept: list[int], sizes: dict[int, int], room: int) -> list[Fitted]:
    between = max(1, len(kept) - 1)
    gap = max(_GAP, min(_WIDE_GAP, (room - sum(sizes.values())) // between))
    placed, start = [], GUTTER
    for index in kept:
        placed.append(Fitted(index, columns[index], start, max(1, sizes[index]), gap))
        start += placed[-1].width + gap
    return placed
