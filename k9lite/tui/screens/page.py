"""What describe, YAML and logs share: a frame of lines, highlight, wrap, copy, save."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen

from k9lite.tui import actions
from k9lite.tui.widgets.banner import Banner
from k9lite.tui.widgets.footer import FooterBar
from k9lite.tui.widgets.header import HeaderBar
from k9lite.tui.widgets.line_view import LineView
from k9lite.tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from k9lite.tui.app import K9liteApp


class PageScreen(Screen[None]):
    """Subclasses give the view and the scope of their keys."""

    DEFAULT_CSS = """
    PageScreen #frame { border: round $primary; border-title-color: $primary; border-title-style: bold;
        border-subtitle-color: $text-muted; background: $background; height: 1fr; }
    """
    SCOPE: actions.Scope = "text"
    crumb: str = ""

    def __init__(self, view: LineView) -> None:
        super().__init__()
        self.view = view

    @property
    def k9(self) -> K9liteApp:
        from k9lite.tui.app import K9liteApp

        return cast(K9liteApp, self.app)

    def compose(self) -> ComposeResult:
        yield HeaderBar()
        yield Prompt(self.k9.complete, self.k9.histories)
        yield Banner(self.k9.clock)
        with Container(id="frame"):
            yield self.view
        yield FooterBar()

    def on_mount(self) -> None:
        self.set_focus(self.view)
        self.k9.dress(self)

    def on_screen_resume(self) -> None:
        self.k9.dress(self)

    @property
    def title_text(self) -> str:
        return str(self.query_one("#frame").border_title or "")

    @title_text.setter
    def title_text(self, text: str) -> None:
        self.query_one("#frame").border_title = Content(text)

    def note(self, text: str) -> None:
        """Shown at the lower edge of the frame."""
        self.query_one("#frame").border_subtitle = Content(text)

    # Keys ------------------------------------------------------------------------------------------
    def action_back(self) -> None:
        if self.view.pattern is not None:
            self.view.highlight("")
            self.note("")
        else:
            self.app.pop_screen()

    def action_highlight(self) -> None:
        self.query_one(Prompt).open("highlight", self.view.pattern.pattern if self.view.pattern else "")

    def action_match(self, step: int) -> None:
        if self.view.pattern is None:
            self.k9.flash("type / to say what to look for", "warn")
        elif not self.view.go_to_match(step):
            self.k9.flash("no match", "warn")

    def action_wrap(self) -> None:
        self.view.wrap = not self.view.wrap

    def all_text(self) -> str:
        """Everything, as it is copied and saved."""
        return "\n".join(text for _, text in self.view.buffer) + "\n"

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.all_text())
        self.k9.flash(f"{len(self.view.buffer)} lines copied")

    def action_save(self) -> None:
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", self.crumb).strip("-") or "k9lite"
        self.k9.save(f"{name}.txt", self.all_text(), Path.cwd())

    @on(Prompt.Changed)
    def _typing(self, event: Prompt.Changed) -> None:
        if event.mode == "highlight":
            found = self.view.highlight(event.text)
            self.note(f"{found} lines match" if event.text else "")

    @on(Prompt.Submitted)
    def _typed(self, event: Prompt.Submitted) -> None:
        self.set_focus(self.view)
        if event.mode == "highlight" and event.text:
            self.view.go_to_match(1)
        elif event.mode == "command":
            self.k9.run_command(event.text)

    @on(Prompt.Cancelled)
    def _untyped(self, event: Prompt.Cancelled) -> None:
        self.set_focus(self.view)
        if event.mode == "highlight":
            self.view.highlight("")
            self.note("")
