"""What is typed after `/`: which rows stay.

rx        a regular expression, found in any cell (case is ignored, a space is a space)
!rx       rows in which it is not found
-f text   fuzzy: the characters in this order
-l a=b    a label selector
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, labels_of
from k9lite.api.selectors import LabelSelector

Matcher = Callable[[Obj, Sequence[str]], bool]
"""(object, cells) -> whether the row stays."""


class FilterError(ValueError):
    """A filter that cannot be understood; the text says why."""


def parse_filter(text: str) -> Matcher | None:
    """None where the text filters nothing. A leading `/` is allowed. Raises FilterError."""
    text = text.removeprefix("/")
    if not text.strip():
        return None
    if text.startswith("-f ") or text.rstrip() == "-f":
        return _fuzzy(text[2:].strip())
    if text.startswith("-l ") or text.rstrip() == "-l":
        return _labels(text[2:].strip())
    return _regex(text[1:], wanted=False) if text.startswith("!") else _regex(text, wanted=True)


def _regex(pattern: str, *, wanted: bool) -> Matcher | None:
    if not pattern:
        return None
    try:
        # One search per row: cells are joined by line ends, so that ^ and $ mean a cell.
        search = re.compile(pattern, re.IGNORECASE | re.MULTILINE).search
    except re.error as error:
        raise FilterError(f"filter {pattern!r}: {error}") from None
    return lambda _, cells: (search("\n".join(cells)) is not None) == wanted


def _fuzzy(text: str) -> Matcher | None:
    pattern = ".*?".join(re.escape(character) for character in text if not character.isspace())
    if not pattern:
        return None
    search = re.compile(pattern, re.IGNORECASE).search
    return lambda _, cells: any(search(cell) for cell in cells)


def _labels(text: str) -> Matcher | None:
    if not text:
        return None
    try:
        selector = LabelSelector.parse(text)
    except ApiError as error:
        raise FilterError(f"filter -l {text}: {error.message}") from None
    return lambda obj, _: selector.matches(labels_of(obj))
