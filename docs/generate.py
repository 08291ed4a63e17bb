"""Writes what pages take from the code: keys, commands, settings. `python docs/generate.py` after a change of those.

Each page holds a pair of marks, `<!-- NAME -->` and `<!-- /NAME -->`; what is between them is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

from k9lite.cli.parser import GROUPS
from k9lite.settings import Settings
from k9lite.tui.actions import ACTIONS

DOCS = Path(__file__).parent
_KEYS = {
    "colon": ":", "slash": "/", "question_mark": "?", "left_square_bracket": "[", "right_square_bracket": "]",
    "minus": "-", "backslash": "\\", "ctrl+backslash": "ctrl+\\", "ctrl+at": "ctrl+space",
}  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _key(key: str) -> str:
    shown = _KEYS.get(key, f"shift+{key.lower()}" if len(key) == 1 and key.isupper() else key)
    return f"`{shown}`" if shown != "\\" else "`\\`"


def keys() -> Iterator[str]:
    """One table for each group of actions."""
    for group in dict.fromkeys(action.group for action in ACTIONS):
        yield from ("", f"### {group}", "", "| key | what it does | id |", "|---|---|---|")
        for action in ACTIONS:
            if action.group == group:
                shown = " ".join(_key(key) for key in action.keys)
                yield f"| {shown} | {_cell(action.description)} | `{action.id}` |"


def commands() -> Iterator[str]:
    """One table for each group of commands."""
    for group, members in GROUPS.items():
        yield from ("", f"### {group.rstrip(':')}", "", "| command | |", "|---|---|")
        for name, command in members.items():
            yield f"| `k9lite {name}` | {_cell(command.help)} |"


def settings() -> Iterator[str]:
    """One table."""
    yield from ("", "| in `config.yaml` | variable | default | meaning |", "|---|---|---|---|")
    for item in fields(Settings):
        default = "" if item.default in (MISSING, None, "") else f"`{item.default}`"
        yield f"| `{item.name}` | `K9LITE_{item.name.upper()}` | {default} | {_cell(item.metadata['doc'])} |"


PAGES: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "app.md": ("keys", keys),
    "commands.md": ("commands", commands),
    "settings.md": ("settings", settings),
}


def filled(page: str) -> str:
    """The page's text with what the code says now."""
    mark, lines = PAGES[page]
    content = "\n".join(lines())
    pattern = rf"(<!-- {mark} -->).*?(<!-- /{mark} -->)"
    text = (DOCS / page).read_text()
    return re.sub(pattern, lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text, flags=re.DOTALL)


def main() -> None:
    """Write every page anew."""
    for page in PAGES:
        (DOCS / page).write_text(filled(page))


if __name__ == "__main__":
    main()
