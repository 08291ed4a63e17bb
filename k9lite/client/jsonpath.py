"""The simple part of kubectl's JSONPath: `{.status.phase}`, `{.items[0].a}`, `{.a.b['c.d']}`, `{.list[*].x}`.

Filters, ranges and functions are refused. Source: k8s.io/client-go/util/jsonpath.
"""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(r"\.?(?:([\w/-]+(?:\\\.[\w/-]+)*)|(\*))|\[(?:'([^']+)'|\"([^\"]+)\"|(-?\d+)|(\*))\]")


class JsonPathError(ValueError):
    """A path that is not understood; the text says why."""


def parse(text: str) -> list[str | int | None]:
    """The steps of a path: keys, indexes, None for `*`. Raises JsonPathError."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    inner = inner.removeprefix("$")
    steps: list[str | int | None] = []
    at = 0
    while at < len(inner):
        match = _STEP.match(inner, at)
        if match is None or (match[1] and at and inner[at] != "."):
            raise JsonPathError(f"`{text}` is not a path such as {{.status.phase}}; filters are not supported")
        name, star, single, double, number, every = match.groups()
        if number is not None:
            steps.append(int(number))
        elif star or every:
            steps.append(None)
        else:
            steps.append(name.replace("\\.", ".") if name is not None else single or double)
        at = match.end()
    if not steps:
        raise JsonPathError(f"`{text}` names no field")
    return steps


def values(obj: Any, steps: list[str | int | None]) -> list[Any]:
    """Everything that the path leads to; nothing where a field is absent."""
    found = [obj]
    for step in steps:
        reached: list[Any] = []
        for value in found:
            if step is None:
                reached += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
            elif isinstance(step, int):
                if isinstance(value, list) and -len(value) <= step < len(value):
                    reached.append(value[step])
            elif isinstance(value, dict) and step in value:
                reached.append(value[step])
        found = reached
    return found


def text_of(value: Any) -> str:
    """A value as kubectl compares it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, separators=(",", ":"))
