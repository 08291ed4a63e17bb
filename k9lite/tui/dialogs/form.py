"""A dialog with fields and two buttons. What the server refuses is shown in it, verbatim, beside its field.

open -> (edit) -> submit -> error: shown, dialog stays
                         -> text:  dialog closes, the text is flashed
                         -> Result: shown in the dialog, one button left
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from k9lite.api.errors import ApiError
from k9lite.client.errors import ClientError
from k9lite.tui.widgets.choice import Choice

Values = dict[str, str]
SHOWN_TARGETS = 8


class FormError(ValueError):
    """A value that cannot be used. `field` is the key of the field, or empty."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Result:
    """What to show after success, instead of closing."""

    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """`server_fields` are parts of the field paths that the server's errors name."""

    key: str
    label: str
    value: str = ""
    choices: tuple[str, ...] = ()
    placeholder: str = ""
    whole_number: bool = False
    server_fields: tuple[str, ...] = ()


Submit = Callable[[Values], Awaitable[str | Result]]


def whole_number(values: Values, key: str, label: str, *, low: int = 0, high: int = 2**31 - 1) -> int | None:
    """The number in a field, None where it is empty. Raises FormError."""
    text = values[key].strip()
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise FormError(f"{label}: {text} is not a whole number", key) from None
    if not low <= number <= high:
        raise FormError(f"{label}: {number} is not between {low} and {high}", key)
    return number


class FormDialog(ModalScreen[str | None]):
    """Dismissed with the text to flash, or None when it was cancelled."""

    DEFAULT_CSS = """
    FormDialog { align: center middle; background: $background 60%; }
    FormDialog > VerticalScroll { width: 72; max-width: 96%; height: auto; max-height: 96%; background: $surface;
        border: round $primary; border-title-color: $primary; border-title-style: bold; padding: 1 2; }
    FormDialog.-destructive > VerticalScroll { border: round $error; border-title-color: $error; }
    FormDialog .text { height: auto; margin: 0 0 1 0; }
    FormDialog .targets { height: auto; color: $text-muted; margin: 0 0 1 0; }
    FormDialog .row { height: 1; }
    FormDialog .label { width: 18; color: $text-muted; }
    FormDialog .row Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
    FormDialog .row Input:focus { background: $primary 25%; }
    FormDialog .field-error { height: auto; color: $error; margin: 0 0 0 18; display: none; }
    FormDialog .error { height: auto; color: $error; margin: 1 0 0 0; display: none; }
    FormDialog .result { height: auto; color: $success; margin: 1 0 0 0; display: none; }
    FormDialog .-shown { display: block; }
    FormDialog .buttons { height: 1; margin: 1 0 0 0; align-horizontal: right; }
    FormDialog .buttons Button { min-width: 12; margin: 0 0 0 2; background: $panel; color: $text-muted; }
    FormDialog .buttons Button:focus { background: $primary; color: $text; text-style: bold; }
    FormDialog.-destructive .buttons Button#submit:focus { background: $error; }
    """
    BINDINGS = [  # noqa: RUF012
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(
        self,
        title: str,
        submit: Submit,
        *,
        fields: Sequence[Field] = (),
        text: str | Content = "",
        targets: Sequence[str] = (),
        submit_label: str = "OK",
        destructive: bool = False,
    ) -> None:
        super().__init__(classes="-destructive" if destructive else None)
        self._title_text = title
        self._submit = submit
        self._fields = fields
        self._text = text
        self._targets = targets
        self._submit_label = submit_label
        self._destructive = destructive
        self._busy = False
        self._done = ""

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False) as box:
            box.border_title = Content(self._title_text)
            if self._text:
                yield Static(self._text, classes="text", markup=False)
            if self._targets:
                yield Static(self._targets_text(), classes="targets", markup=False)
            for field in self._fields:
                yield from self._compose_field(field)
            yield Static(classes="error", markup=False)
            yield Static(classes="result", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self._submit_label, id="submit", compact=True)

    def _compose_field(self, field: Field) -> ComposeResult:
        with Vertical(id=f"field-{field.key}", classes="field") as box:
            box.styles.height = "auto"
            with Horizontal(classes="row"):
                yield Static(field.label, classes="label", markup=False)
                yield self._editor(field)
            yield Static(classes="field-error", markup=False)

    def _editor(self, field: Field) -> Widget:
        name = f"edit-{field.key}"
        if field.choices:
            return Choice(field.choices, field.value or field.choices[0], id=name)
        return Input(field.value, placeholder=field.placeholder, id=name, select_on_focus=True, compact=True)

    def _targets_text(self) -> str:
        lines = [f"  {target}" for target in self._targets[:SHOWN_TARGETS]]
        more = len(self._targets) - SHOWN_TARGETS
        return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)

    def on_mount(self) -> None:
        first = f"#edit-{self._fields[0].key}" if self._fields and not self._destructive else "#cancel"
        self.set_focus(self.query_one(first))

    # Answers -----------------------------------------------------------------------------------------
    def action_cancel(self) -> None:
        self.dismiss(self._done or None)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.action_cancel()

    @on(Input.Submitted)
    @on(Button.Pressed, "#submit")
    def _submitted(self, event: Input.Submitted | Button.Pressed) -> None:
        event.stop()
        if self._done:
            self.dismiss(self._done)
        elif not self._busy:
            self._busy = True
            self.run_worker(self._run(), name="dialog", exit_on_error=False)

    def values(self) -> Values:
        """What the fields hold."""
        found: Values = {}
        for field in self._fields:
            editor = self.query_one(f"#edit-{field.key}")
            found[field.key] = editor.value if isinstance(editor, Input | Choice) else ""
        return found

    async def _run(self) -> None:
        self._clear_errors()
        try:
            outcome = await self._submit(self.values())
        except FormError as error:
            self._show_error(str(error), error.field)
        except ApiError as error:
            self._show_error(error.message, self._field_of(error))
        except (ClientError, OSError) as error:
            self._show_error(str(error), "")
        except Exception as error:  # a defect must not end the app
            self.log.error(f"dialog {self._title_text!r}: {error!r}")
            self._show_error(f"{type(error).__name__}: {error}", "")
        else:
            if isinstance(outcome, Result):
                self._show_result(outcome)
            else:
                self.dismiss(outcome)
        finally:
            self._busy = False

    def _field_of(self, error: ApiError) -> str:
        for cause in error.causes:
            path = str(cause.get("field", ""))
            for field in self._fields:
                if any(part in path for part in field.server_fields):
                    return field.key
        if error.reason == "AlreadyExists":
            return next((field.key for field in self._fields if "metadata.name" in field.server_fields), "")
        return ""

    def _clear_errors(self) -> None:
        for static in self.query(".error, .field-error").results(Static):
            static.remove_class("-shown")

    def _show_error(self, message: str, field: str) -> None:
        try:
            where = f"#field-{field} .field-error" if field else ".error"
            static = self.query_one(where, Static)
        except NoMatches:
            static = self.query_one(".error", Static)
        static.update(Content(f"✗ {message}"))
        static.add_class("-shown")
        if field:
            self.set_focus(self.query_one(f"#edit-{field}"))
        static.scroll_visible(animate=False)

    def _show_result(self, result: Result) -> None:
        text = Content(result.text)
        if result.link:
            text = Content.assemble(result.text, "\n", (result.link, "bold underline"))
        static = self.query_one(".result", Static)
        static.update(text)
        static.add_class("-shown")
        self._done = f"{result.text} {result.link}".strip()
        self.query_one("#cancel").display = False
        button = self.query_one("#submit", Button)
        button.label = "Close"
        self.set_focus(button)
