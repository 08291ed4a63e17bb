"""Text in columns, as Go's text/tabwriter aligns it: what makes output look like kubectl's."""

from __future__ import annotations

from collections.abc import Sequence


def elastic(lines: Sequence[Sequence[str]], *, min_width: int = 0, padding: int = 2) -> list[str]:
    """Each line's cells joined. A column is as wide as its widest cell in a run of lines that have it.

    The last cell of a line is not part of a column.
    """
    widths = [[0] * (len(cells) - 1) for cells in lines]
    for column in range(max((len(cells) - 1 for cells in lines), default=0)):
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and len(lines[end]) - 1 > column:
                end += 1
            if end > start:
                width = max(min_width, *(len(lines[row][column]) + padding for row in range(start, end)))
                for row in range(start, end):
                    widths[row][column] = width
            start = max(end, start + 1)
    return [
        "".join([*(cell.ljust(width) for cell, width in zip(cells, wide, strict=False)), cells[-1] if cells else ""])
        for cells, wide in zip(lines, widths, strict=True)
    ]
