"""Describe and YAML: a text that is read once, and anew on demand."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from k9lite.api.errors import ApiError
from k9lite.client.errors import ClientError
from k9lite.tui import actions
from k9lite.tui.log_buffer import Line
from k9lite.tui.screens.page import PageScreen
from k9lite.tui.widgets.line_view import LineView, Span

Load = Callable[[], Awaitable[str]]
_KEY = re.compile(r"^(\s*(?:- )*)([^\s:#][^:]*?)(:)(\s.*)?$")


def coloured(line: Line) -> list[Span]:
    """Keys and values of YAML and of descriptions told apart."""
    text = line[1]
    match = _KEY.match(text)
    if match is None:
        part = "warning" if text.lstrip().startswith("Warning") else ""
        return [(text, part)]
    indent, key, colon, value = match.groups()
    return [(indent, "muted"), (key, "key"), (colon, "muted"), (value or "", "")]


class TextScreen(PageScreen):
    """`load` gives the text; what goes wrong is shown instead of it."""

    SCOPE = "text"
    BINDINGS = actions.bindings("text")

    def __init__(self, crumb: str, title: str, load: Load) -> None:
        super().__init__(LineView(coloured))
        self.crumb = crumb
        self._title = title
        self._load = load

    def on_mount(self) -> None:
        super().on_mount()
        self.title_text = self._title
        self.action_reload()

    def action_reload(self) -> None:
        self.run_worker(self._reload(), exclusive=True, exit_on_error=False, name=f"load {self.crumb}")

    async def _reload(self) -> None:
        try:
            text = await self._load()
        except (ApiError, ClientError) as error:
            text = f"✗ {error}"
        except Exception as error:  # a defect must not end the app
            text = f"✗ {type(error).__name__}: {error}"
        self.view.replace([(0, line) for line in text.expandtabs(8).splitlines()])
