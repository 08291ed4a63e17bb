"""Every key of the screen below, generated from the action registry."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from k9lite.tui.actions import Action, keys_text

KEY_CELLS = 18
TEXT_CELLS = 66
BESIDE_TEXT = 9
"""Frame, padding, scroll bar and indent."""
NARROW = 112
"""Below this many cells of the terminal the ids of the actions are left out."""


class HelpScreen(ModalScreen[None]):
    """Groups in columns; arrows scroll, any of ?, q, escape closes."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen > VerticalScroll { width: 116; max-width: 98%; height: auto; max-height: 96%; background: $surface;
        border: round $primary; border-title-color: $primary; border-title-style: bold; padding: 0 2;
        scrollbar-size-vertical: 1; }
    HelpScreen Static { height: auto; }
    """
    BINDINGS = [Binding("escape,question_mark,q", "dismiss", show=False)]  # noqa: RUF012

    def __init__(self, actions: Sequence[Action], keymap: Mapping[str, str], extra: Sequence[str] = ()) -> None:
        super().__init__()
        self._actions = actions
        self._keymap = keymap
        self._extra = extra

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "re-bind them by id in keys.yaml"
            yield Static(self._text())

    def _text(self) -> Content:
        groups: dict[str, list[Action]] = {}
        for action in self._actions:
            groups.setdefault(action.group, []).append(action)
        lines: list[Content] = []
        for group, members in groups.items():
            lines.append(Content.styled(group, "bold $accent"))
            lines += [self._line(action) for action in members]
            lines.append(Content(""))
        lines += [Content(line) for line in self._extra]
        return Content("\n").join(lines)

    def _line(self, action: Action) -> Content:
        keys = keys_text(action, self._keymap, limit=3)
        text = action.description.replace("`", "")
        narrow = self.app.size.width < NARROW
        if narrow:
            room = int(self.app.size.width * 0.98) - BESIDE_TEXT - KEY_CELLS
            text = f"\n{'':{KEY_CELLS + 2}}".join(textwrap.wrap(text, max(10, room)))
        return Content.assemble(
            ("  " + keys.ljust(KEY_CELLS), "bold"),
            text if narrow else text.ljust(TEXT_CELLS),
            ("" if narrow else action.id, "$role-muted"),
        )
