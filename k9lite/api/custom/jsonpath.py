"""The JSONPath of printer columns: fields, indexes, wildcards and filters with one comparison.

    .spec.replicas   .metadata.labels['app\\.kubernetes\\.io/name']   .items[0]   .items[-1]   .items[*].name
    .status.conditions[?(@.type=="Ready")].status   .spec.list[?(@.port > 80)].name

Source: k8s.io/client-go/util/jsonpath, as far as printer columns use it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Step = Callable[[list[Any]], list[Any]]
"""From values to the values below them."""

_TOKEN = re.compile(
    r"\.(?P<field>(?:[\w-]|\\.)+)"
    r"|\.?\[(?P<index>-?\d+)\]"
    r"|\.?\[(?P<from>-?\d*):(?P<to>-?\d*)\]"
    r"|\.?\[(?P<all>\*)\]|\.(?P<star>\*)"
    r"|\.?\[(?P<quoted>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\]"
    r"|\.?\[\?\(\s*@(?P<path>[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>[^)]*?)\s*)?\)\]"
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@lru_cache(maxsize=2048)
def compiled(path: str) -> tuple[Step, ...]:
    """Raises ValueError for what is no path of this kind."""
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{path!r} cannot be read from {text[at:]!r} on")
        steps.append(_step(token))
        at = token.end()
    return tuple(steps)


def find(path: str, obj: Any) -> list[Any]:
    """The values at the path, none where there are none."""
    values = [obj]
    for step in compiled(path):
        values = step(values)
    return values


def _step(token: re.Match[str]) -> Step:
    if token["field"]:
        return _field(re.sub(r"\\(.)", r"\1", token["field"]))
    if token["quoted"]:
        return _field(re.sub(r"\\(.)", r"\1", token["quoted"][1:-1]))
    if token["index"]:
        return _index(int(token["index"]))
    if token["all"] or token["star"]:
        return lambda values: [item for value in values for item in _items(value)]
    if token["from"] is not None:
        part = slice(*(int(text) if text else None for text in (token["from"], token["to"])))
        return lambda values: [item for value in values if isinstance(value, list) for item in value[part]]
    return _filter(token["path"], token["op"], token["value"])


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _index(index: int) -> Step:
    def step(values: list[Any]) -> list[Any]:
        return [value[index] for value in values if isinstance(value, list) and -len(value) <= index < len(value)]

    return step


def _filter(path: str, symbol: str | None, text: str | None) -> Step:
    wanted = _literal(text) if text is not None else None

    def matches(item: Any) -> bool:
        found = find(path, item)
        if symbol is None:
            return bool(found)
        try:
            return bool(found) and _OPERATORS[symbol](found[0], wanted)
        except TypeError:
            return False

    compiled(path)
    return lambda values: [item for value in values for item in _items(value) if matches(item)]


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no value to compare with") from None


def get(path: str, obj: Any) -> Any:
    """The value at a path of fields alone, as scale and selectable fields have; None where there is none."""
    return next(iter(find(path, obj)), None)


def put(path: str, obj: Any, value: Any) -> None:
    """Set the value at a path of fields alone, making the objects on the way."""
    *names, last = [name for name in path.split(".") if name]
    for name in names:
        obj = obj.setdefault(name, {})
    obj[last] = value
