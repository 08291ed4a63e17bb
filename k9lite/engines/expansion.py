"""`$(VAR)` in a container's command, args and environment.

Source of the rules: k8s.io/kubernetes/third_party/forked/golang/expansion: `$$` is a dollar sign, a reference to an
unknown variable stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with each reference to a known variable replaced by its value."""
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else variables.get(name, match.group(0))

    return _REFERENCE.sub(value, text)


def expand_all(words: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """Each word expanded."""
    return [expand(word, variables) for word in words]


def expand_env(given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """`given` with references to `known` and to what is defined before each variable replaced."""
    variables = dict(known)
    expanded: dict[str, str] = {}
    for name, text in given.items():
        expanded[name] = variables[name] = expand(text, variables)
    return expanded
