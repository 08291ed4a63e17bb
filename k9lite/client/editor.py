"""What the app and `k9lite edit` share: the user's editor, and the remarks at the top of an edited text."""

from __future__ import annotations

import os
import shlex

HEADER = "# Save and leave to apply; an unchanged or empty file changes nothing.\n"


def command() -> list[str]:
    """From $KUBE_EDITOR, $VISUAL or $EDITOR, else vi."""
    text = next((os.environ[name] for name in ("KUBE_EDITOR", "VISUAL", "EDITOR") if os.environ.get(name)), "vi")
    return shlex.split(text)


def without_comments(text: str) -> str:
    """Without the comment lines at the top."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    return "".join(lines)


def with_problem(problem: str, text: str) -> str:
    """The text under what is wrong with it."""
    return "".join(f"# {line}\n" for line in problem.splitlines()) + without_comments(text)
