"""A user's own keys: `keys.yaml` in the configuration directory, action id to key or list of keys.

    table.delete: ctrl+x
    table.logs: [l, f5]

Nothing in the file is trusted: what cannot be used is left out and said, with file and id; the rest is applied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.keys import Keys

from k9lite.tui.actions import ACTIONS, BY_ID, KEY_NAMES, Action, effective_keys

_NAMES = {shown: key for key, shown in KEY_NAMES.items() if key != "ctrl+@"}
_TWINS = {"ctrl+space": "ctrl+space,ctrl+@"}
"""Keys that terminals send in two ways."""
_KNOWN = {key.value for key in Keys}
_MODIFIERS = ("ctrl", "shift", "alt", "super", "meta", "hyper")


def load(path: Path) -> tuple[dict[str, str], list[str]]:
    """(Textual keymap, problems). An absent file changes nothing."""
    if not path.exists():
        return {}, []
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return {}, [f"{path}: cannot be read: {error}"]
    if not isinstance(content, dict):
        return {}, [f"{path}: must map action ids to keys"]
    return _keymap(content, str(path))


def _keymap(content: dict[Any, Any], where: str) -> tuple[dict[str, str], list[str]]:
    keymap: dict[str, str] = {}
    problems: list[str] = []
    for action_id, value in content.items():
        if action_id not in BY_ID:
            problems.append(f"{where}: {action_id}: no such action; `?` lists them")
            continue
        raw = value if isinstance(value, list) else [value]
        keys = [normalized(str(key)) for key in raw]
        bad = [str(given) for given, key in zip(raw, keys, strict=True) if key is None]
        if bad or not keys:
            problems.append(f"{where}: {action_id}: {', '.join(bad) or 'nothing'} is not a key")
            continue
        keymap[action_id] = ",".join(_TWINS.get(key, key) for key in keys if key)
    for action_id in list(keymap):
        taken = _clash(BY_ID[action_id], keymap)
        if taken is not None:
            key, other = taken
            problems.append(
                f"{where}: {action_id}: {key} is already {other.id} ({other.description}); re-bind that too"
            )
            del keymap[action_id]
    return keymap, problems


def normalized(text: str) -> str | None:
    """Textual's name of a key; None for what is no key."""
    text = text.strip()
    if text in _NAMES:
        return _NAMES[text]
    *modifiers, key = text.split("+") if text != "+" else ["plus"]
    if any(modifier not in _MODIFIERS for modifier in modifiers):
        return None
    if "shift" in modifiers and len(key) == 1 and key.isalpha():
        modifiers = [modifier for modifier in modifiers if modifier != "shift"]
        key = key.upper()
    if not (len(key) == 1 and key.isprintable()) and key not in _KNOWN and key not in KEY_NAMES:
        return None
    return "+".join([*modifiers, _NAMES.get(key, key)])


def _clash(action: Action, keymap: dict[str, str]) -> tuple[str, Action] | None:
    """A key of the action that another one has where both can work."""
    wanted = set(effective_keys(action, keymap))
    for other in ACTIONS:
        if other.id == action.id or not _meet(action, other):
            continue
        shared = wanted & set(effective_keys(other, keymap))
        if shared:
            return min(shared), other
    return None


def _meet(one: Action, other: Action) -> bool:
    if one.scope != other.scope and "app" not in (one.scope, other.scope):
        return False
    return not one.kinds or not other.kinds or bool(set(one.kinds) & set(other.kinds))
