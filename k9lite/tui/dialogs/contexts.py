"""Which cluster to look at: the contexts of the kubeconfig and the own control plane."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from k9lite.client.kubeconfig import ContextInfo
from k9lite.contexts import is_production


class ContextsDialog(ModalScreen[str | None]):
    """Dismissed with the name of a context, or None. `problem` is what is wrong with the kubeconfig."""

    DEFAULT_CSS = """
    ContextsDialog { align: center middle; background: $background 60%; }
    ContextsDialog > Vertical { width: 100; max-width: 96%; height: auto; max-height: 90%; background: $surface;
        border: round $primary; border-title-color: $primary; border-title-style: bold; padding: 0 1; }
    ContextsDialog OptionList { height: auto; max-height: 24; background: $surface; padding: 0; }
    ContextsDialog OptionList, ContextsDialog OptionList:focus { border: none; }
    ContextsDialog Static { height: auto; color: $error; }
    """
    BINDINGS = [  # noqa: RUF012
        Binding("escape,q", "dismiss(None)", show=False),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, contexts: Sequence[ContextInfo], current: str, problem: str = "") -> None:
        super().__init__()
        self._contexts = list(contexts)
        self._current = current
        self._problem = problem

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Contexts"
            if self._problem:
                yield Static(self._problem, markup=False)
            yield OptionList(*self._options())

    def _options(self) -> list[Option]:
        columns = zip(*map(_cells, self._contexts), strict=True)
        widths = [max(map(len, column), default=0) for column in columns]
        return [
            Option(self._line(context, widths), id=f"context-{number}") for number, context in enumerate(self._contexts)
        ]

    def _line(self, context: ContextInfo, widths: list[int]) -> Content:
        is_current = context.name == self._current
        name, *others = [cell.ljust(width + 2) for cell, width in zip(_cells(context), widths, strict=True)]
        production = is_production(context.name, context.cluster)
        return Content.assemble(
            ("● " if is_current else "  ", "$success"),
            (name, "bold $error" if production else "bold"),
            ("".join(others), "$role-muted"),
            ("production" if production else "", "$error"),
        )

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        names = [each.name for each in self._contexts]
        if names:
            options.highlighted = names.index(self._current) if self._current in names else 0
        self.set_focus(options)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._contexts[event.option_index].name)


def _cells(context: ContextInfo) -> tuple[str, str, str]:
    return context.name, context.server or context.cluster, context.namespace
