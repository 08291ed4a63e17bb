"""Every key of the app, declared once.

Bindings, footer, help and command palette are derived from `ACTIONS`; a user's `keys.yaml` re-binds by id.

Scopes say where a key works: `app` everywhere but in dialogs, `table` on screens with tables, `logs` and `text` on
those screens. `kinds` narrows an action to tables of these resources; `mutates` takes it away from read-only apps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Scope = Literal["app", "table", "logs", "text"]

DEPLOYMENTS = "deployments.apps"
REPLICASETS = "replicasets.apps"
PODS = "pods"
SERVICES = "services"
NAMESPACES = "namespaces"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key does. `call` is the Textual action, with its parameters."""

    id: str
    keys: tuple[str, ...]
    call: str
    label: str
    """A word or two, for the footer."""
    description: str
    """A sentence, for help and palette."""
    group: str
    scope: Scope
    kinds: tuple[str, ...] = ()
    mutates: bool = False
    footer: bool = False
    in_widget: bool = False
    """Bound by the table widget itself; declared here for help, palette and re-binding."""

    @property
    def method(self) -> str:
        """The name of the action without its parameters."""
        return self.call.partition("(")[0].rpartition(".")[2]

    def binding(self) -> Binding:
        """Textual's form of it."""
        return Binding(
            ",".join(self.keys),
            self.call,
            self.description,
            show=False,
            id=self.id,
            priority=self.id == "app.interrupt",
        )

    def works_on(self, resource_key: str | None, *, read_only: bool) -> bool:
        """Whether it may be used on a table of that resource."""
        if read_only and self.mutates:
            return False
        return not self.kinds or resource_key in self.kinds


def _app(name: str, keys: str, call: str, label: str, description: str, *, footer: bool = False) -> Action:
    return Action(
        f"app.{name}", tuple(keys.split()), f"app.{call}", label, description, "General", "app", footer=footer
    )


def _table(
    name: str,
    keys: str,
    call: str,
    label: str,
    description: str,
    group: str = "Any table",
    *kinds: str,
    mutates: bool = False,
    footer: bool = False,
    in_widget: bool = False,
) -> Action:
    return Action(
        f"table.{name}",
        tuple(keys.split()),
        call if in_widget or call.startswith("app.") else f"screen.{call}",
        label,
        description,
        group,
        "table",
        kinds,
        mutates,
        footer,
        in_widget,
    )


def _widget(name: str, keys: str, label: str, description: str, group: str, call: str = "") -> Action:
    return _table(name, keys, call or name, label, description, group, in_widget=True)


def _page(scope: Scope, name: str, keys: str, call: str, label: str, description: str) -> Action:
    group = {"logs": "Logs", "text": "Describe and YAML"}[scope]
    return Action(
        f"{scope}.{name}", tuple(keys.split()), f"screen.{call}", label, description, group, scope, footer=True
    )


ACTIONS: tuple[Action, ...] = (
    _app("command", "colon", "prompt_command", "command", "Go to a kind: `:po`, `:deploy kube-system`, `:svc app=web`", footer=True),
    _app("help", "question_mark", "show_help", "help", "Show every key of this screen", footer=True),
    _app("aliases", "ctrl+a", "show_aliases", "kinds", "List every kind this server knows"),
    _app("palette", "ctrl+p", "command_palette", "palette", "Search all actions"),
    _app("theme", "ctrl+t", "change_theme", "theme", "Choose another colour theme"),
    _app("mouse", "f2", "toggle_mouse", "mouse", "Leave the mouse to the terminal, to select text, or take it back"),
    _app("quit", "q", "request_quit", "quit", "Leave; everything keeps running", footer=True),
    _app("interrupt", "ctrl+c", "interrupt", "quit", "Pressed twice: leave at once"),
    # Any table --------------------------------------------------------------------------------------------
    _table("filter", "slash", "filter", "filter", "Filter rows: `/rx`, `/!rx`, `/-f fuzzy`, `/-l app=web`", footer=True),
    _table("back", "escape", "back", "back", "Clear the filter, or go back"),
    _table("describe", "d", "describe", "describe", "Describe the object, with its events", footer=True),
    _table("yaml", "y", "yaml", "yaml", "Show the object as YAML", footer=True),
    _table("edit", "e", "edit", "edit", "Edit the object in $EDITOR", mutates=True),
    _table("delete", "ctrl+d", "delete", "delete", "Delete the object, or all marked ones", mutates=True, footer=True),
    _table("create", "ctrl+n", "create", "new", "Create a deployment from an image", mutates=True, footer=True),
    _table("copy", "c", "copy_name", "copy", "Copy the name to the clipboard"),
    _table("save", "ctrl+s", "save", "save", "Save the visible rows as CSV"),
    _table("refresh", "ctrl+r", "refresh_rows", "refresh", "List everything anew"),
    _widget("mark", "space", "mark", "Mark or unmark the row", "Any table"),
    _widget("mark_range", "ctrl+space ctrl+@", "range", "Mark all rows from the last mark to here", "Any table"),
    _widget("clear_marks", "ctrl+backslash", "unmark", "Remove all marks", "Any table"),
    _table("next", "tab", "next_pane(1)", "next", "Next table"),
    _table("previous_table", "shift+tab", "next_pane(-1)", "previous", "Previous table"),
    # View -------------------------------------------------------------------------------------------------
    _widget("activate", "enter", "open", "Open the object, or drill down to what it owns", "Move"),
    _widget("cursor_down", "down j", "down", "Next row", "Move"),
    _widget("cursor_up", "up k", "up", "Row above", "Move"),
    _widget("page_down", "pagedown ctrl+f", "page down", "Page down", "Move"),
    _widget("page_up", "pageup ctrl+b", "page up", "Page up", "Move"),
    _widget("first", "home g", "first", "First row", "Move"),
    _widget("last", "end G", "last", "Last row", "Move"),
    _widget("sort_name", "N", "name", "Sort by name", "Sort and columns", "sort('name')"),
    _widget("sort_age", "A", "age", "Sort by age", "Sort and columns", "sort('age')"),
    _widget("sort_status", "S", "status", "Sort by status", "Sort and columns", "sort('status')"),
    _widget("column_left", "shift+left", "column", "Column cursor to the left", "Sort and columns"),
    _widget("column_right", "shift+right", "column", "Column cursor to the right", "Sort and columns"),
    _widget("sort_column", "O", "sort", "Sort by the column under the cursor", "Sort and columns"),
    _widget("wide", "ctrl+w", "wide", "Show more columns", "Sort and columns"),
    _widget("faults", "ctrl+z", "faults", "Show only what has a problem", "Sort and columns"),
    # Where to look ----------------------------------------------------------------------------------------
    *(
        _table(f"namespace_{number}", str(number), f"namespace({number})", "namespace", text, "Namespaces and history")
        for number in range(10)
        for text in ("All namespaces" if number == 0 else f"Favourite namespace {number}",)
    ),
    _table("history_back", "left_square_bracket", "app.history(-1)", "back", "Previous view", "Namespaces and history"),
    _table("history_forward", "right_square_bracket", "app.history(1)", "forward", "Next view", "Namespaces and history"),
    _table("history_last", "minus", "app.history(0)", "last", "The view before this one", "Namespaces and history"),
    # Kinds ------------------------------------------------------------------------------------------------
    _table("scale", "s", "scale", "scale", "Change the number of replicas", "Deployments", DEPLOYMENTS, REPLICASETS, mutates=True, footer=True),
    _table("expose", "x", "expose", "expose", "Make it reachable through a service", "Deployments", DEPLOYMENTS, mutates=True, footer=True),
    _table("restart", "r", "restart", "restart", "Replace its pods one after the other", "Deployments", DEPLOYMENTS, mutates=True),
    _table("replica_sets", "z", "replica_sets", "replica sets", "Its replica sets", "Deployments", DEPLOYMENTS),
    _table("logs", "l", "logs", "logs", "Follow the logs of the pod, or of all pods behind the object", "Pods", PODS, DEPLOYMENTS, REPLICASETS, SERVICES, footer=True),
    _table("previous_logs", "p", "previous_logs", "previous", "Logs of the container before its restart", "Pods", PODS),
    _table("shell", "s", "shell", "shell", "Open a shell in the pod: bash, or sh", "Pods", PODS, mutates=True, footer=True),
    _table("attach", "a", "attach", "attach", "Join the terminal with the pod's own program", "Pods", PODS, mutates=True),
    _table("port_forward", "F", "port_forward", "forward", "Lead a port of this machine to one of the pod's; `:forwards` lists and ends them", "Pods", PODS, mutates=True),
    _table("kill", "ctrl+k", "kill", "kill", "Kill the pod now, without grace", "Pods", PODS, mutates=True, footer=True),
    _table("node", "o", "node", "node", "The node it runs on", "Pods", PODS),
    _table("browse", "w", "browse", "open", "Open the service in the browser", "Services", SERVICES),
    # Pages ------------------------------------------------------------------------------------------------
    _page("logs", "back", "escape", "back", "back", "Go back"),
    _page("logs", "resume", "G end", "resume", "follow", "Jump to the newest line and follow"),
    _page("logs", "pause", "space", "pause", "pause", "Stop following, without losing lines"),
    _page("logs", "highlight", "slash", "highlight", "highlight", "Highlight a regular expression"),
    _page("logs", "next_match", "n", "match(1)", "next", "Next match"),
    _page("logs", "previous_match", "N", "match(-1)", "previous", "Previous match"),
    _page("logs", "wrap", "w", "wrap", "wrap", "Wrap long lines"),
    _page("logs", "timestamps", "t", "timestamps", "times", "Show timestamps"),
    _page("logs", "copy", "c", "copy", "copy", "Copy all lines to the clipboard"),
    _page("logs", "save", "ctrl+s", "save", "save", "Save all lines to a file"),
    _page("text", "back", "escape", "back", "back", "Go back"),
    _page("text", "highlight", "slash", "highlight", "highlight", "Highlight a regular expression"),
    _page("text", "next_match", "n", "match(1)", "next", "Next match"),
    _page("text", "previous_match", "N", "match(-1)", "previous", "Previous match"),
    _page("text", "wrap", "w", "wrap", "wrap", "Wrap long lines"),
    _page("text", "refresh", "ctrl+r", "reload", "refresh", "Read it anew"),
    _page("text", "copy", "c", "copy", "copy", "Copy the text to the clipboard"),
    _page("text", "save", "ctrl+s", "save", "save", "Save the text to a file"),
)  # fmt: skip

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}
_BY_CALL = {(action.scope, action.method): action for action in ACTIONS}

KEY_NAMES = {
    "colon": ":",
    "question_mark": "?",
    "slash": "/",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "minus": "-",
    "ctrl+backslash": "ctrl+\\",
    "ctrl+@": "ctrl+space",  # what terminals send for it
}


def of_scope(*scopes: Scope) -> list[Action]:
    """The actions of these scopes, in the order they are declared."""
    return [action for action in ACTIONS if action.scope in scopes]


def bindings(*scopes: Scope) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """Textual bindings of these scopes."""
    return [action.binding() for action in of_scope(*scopes) if not action.in_widget]


def table_bindings() -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """Textual bindings of the table widget itself."""
    return [action.binding() for action in ACTIONS if action.in_widget]


def by_method(scope: Scope, method: str) -> Action | None:
    """The action that calls that method; None for methods that are no action of ours."""
    return _BY_CALL.get((scope, method))


def shown(key: str) -> str:
    """A key as people write it."""
    return KEY_NAMES.get(key, f"shift+{key.lower()}" if len(key) == 1 and key.isupper() else key)


def keys_text(action: Action, keymap: Mapping[str, str], *, limit: int = 1) -> str:
    """The keys of an action, as they are bound now."""
    keys = keymap[action.id].split(",") if action.id in keymap else list(action.keys)
    distinct = list(dict.fromkeys(shown(key) for key in keys))
    return " ".join(distinct[:limit])


def effective_keys(action: Action, keymap: Mapping[str, str]) -> Iterable[str]:
    """The keys as Textual names them."""
    return keymap[action.id].split(",") if action.id in keymap else action.keys
