"""Keys that a JSON or YAML text has twice in one object: what a parsed value no longer shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

_SPACED = re.compile(rb'"\s+:')


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, duplicates included."""


def json_duplicates(text: bytes, parsed: Any) -> list[str]:
    """The paths of keys that come again, as `spec.containers[0].image`. `parsed` is what `text` says.

    Most texts have none, which is seen without parsing again: what was parsed has as many keys as the text.
    """
    if text.count(b'":') == orjson.dumps(parsed).count(b'":') and not _SPACED.search(text):
        return []
    try:
        return list(_walk(json.loads(text, object_pairs_hook=_Pairs), ""))
    except (ValueError, RecursionError):
        return []


def _walk(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen = set()
        for key, item in value:
            at = f"{path}.{key}" if path else key
            if key in seen:
                yield at
            seen.add(key)
            yield from _walk(item, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")


def yaml_loader() -> Any:
    """The safe loader in C where there is one: some texts take the other a time that grows with their square."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_duplicates(text: bytes) -> list[str]:
    """The same for YAML."""
    import yaml

    try:
        return list(_walk_nodes(yaml.compose(text, yaml_loader()), ""))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return []


def _walk_nodes(node: Any, path: str) -> Iterator[str]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, item in node.value:
            name = str(key.value)
            at = f"{path}.{name}" if path else name
            if name in seen and name != "<<":
                yield at
            seen.add(name)
            yield from _walk_nodes(item, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk_nodes(item, f"{path}[{index}]")
