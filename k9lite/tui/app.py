"""The app: what belongs to no single screen.

    start -> home painted, empty -> (worker) client imported, connected -> Feed -> screens attach -> rows

A worker does I/O; what it finds becomes state that the screens show. A lost connection is a banner, never an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.css.query import NoMatches
from textual.screen import Screen

from k9lite.api.catalog import NAMESPACES, NODES, resolve
from k9lite.api.errors import ApiError
from k9lite.api.objects import dig, is_true, name_of
from k9lite.api.resources import Resource
from k9lite.client.errors import ClientError
from k9lite.contexts import is_production
from k9lite.settings import Settings
from k9lite.tui import actions, commands, keys, theming
from k9lite.tui.clusters import FAILURES, Clusters
from k9lite.tui.feed import Feed, Subscription
from k9lite.tui.forwards import Forwards
from k9lite.tui.panes import Location
from k9lite.tui.screens.home import HOME, HomeScreen
from k9lite.tui.screens.host import HostScreen
from k9lite.tui.screens.page import PageScreen
from k9lite.tui.screens.table import TableScreen
from k9lite.tui.typeahead import TypeAhead
from k9lite.tui.widgets.banner import Banner
from k9lite.tui.widgets.footer import FooterBar, Severity
from k9lite.tui.widgets.header import HeaderBar, HeaderInfo
from k9lite.tui.widgets.prompt import Mode

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient

Connect = Callable[[], Awaitable["KubeClient"]]
FIRST_RETRY, LONGEST_RETRY = 1.0, 15.0
STATUS_SECONDS = 2.0
INTERRUPT_SECONDS = 2.0
HISTORY = 50


class K9liteApp(TypeAhead):
    """`connect` is awaited after the first paint; `initial` are the kinds shown first instead of home.

    `started_here` says whether connecting started the control plane: then leaving asks what to do with it.
    `clock` gives seconds since the epoch.
    """

    TITLE = "k9lite"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f1"
    PAUSE_GC_ON_SCROLL = True
    BINDINGS = [*actions.bindings("app"), Binding("ctrl+q", "request_quit", show=False)]  # noqa: RUF012

    def __init__(
        self,
        connect: Connect,
        *,
        settings: Settings,
        read_only: bool = False,
        initial: Sequence[str] = (),
        kubeconfig: Path | None = None,
        started_here: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.read_only = read_only
        self.clock = clock
        self.feed: Feed | None = None
        self.namespace = "default"
        self.histories: dict[Mode, list[str]] = {}
        self.header_info = HeaderInfo(read_only=read_only)
        self.keymap: dict[str, str] = {}
        self.status: dict[str, Any] = {}
        self.clusters = Clusters(self, kubeconfig)
        self.forwards = Forwards(self.flash)
        self._first_client: KubeClient | None = None
        self._connect = connect
        self._initial = initial
        self._started_here = started_here
        self._namespace_objects: Subscription | None = None
        self._node_objects: Subscription | None = None
        self._failure: tuple[str, float | None] = ("", None)
        self._visited: list[Location] = []
        self._place = -1
        self._interrupted = -INTERRUPT_SECONDS
        self._mouse = True

    # Start and end -----------------------------------------------------------------------------------
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theming.role_defaults()

    def on_mount(self) -> None:
        self._take_default_theme()
        kinds = [found for word in self._initial for found in [resolve(word)] if found is not None]
        self.push_screen(HomeScreen(self.namespace, self.clock, kinds or HOME))
        self.call_after_refresh(self._begin)

    def _take_default_theme(self) -> None:
        """Only the one that is needed: the others are read after the first paint."""
        path = theming.shipped_directory() / "dark.yaml"
        with contextlib.suppress(OSError):
            theme, _ = theming.read_theme(path)
            if theme is not None:
                self.register_theme(theme)
                self.theme = theme.name

    def _begin(self) -> None:
        self.run_worker(self._connecting(), name="connect", group="connect", exclusive=True, exit_on_error=False)
        self.set_interval(STATUS_SECONDS, self._poll_status)
        self.set_interval(0.5, self.update_banner)
        self.call_later(self._read_users_files)

    def _read_users_files(self) -> None:
        themes = theming.install(self, self.settings.config / "themes")
        self.keymap, problems = keys.load(self.settings.config / "keys.yaml")
        if self.keymap:
            self.set_keymap(self.keymap)
        for notice in (themes.notice, "\n".join(problems)):
            if notice:
                self.notify(notice, title="Left out", severity="warning", timeout=15, markup=False)
        self.dress(self.screen)

    async def _connecting(self) -> None:
        """Until it worked. What fails is shown with the time of the next try."""
        wait = FIRST_RETRY
        while True:
            try:
                await asyncio.to_thread(_import_client)
                client = await self._connect()
            except FAILURES as error:
                self._failure = (str(error), self.clock() + wait)
            except Exception as error:  # a defect of ours is shown too, and does not end the app
                self._failure = (f"{type(error).__name__}: {error}", self.clock() + wait)
            else:
                self._failure = ("", None)
                self._connected(client)
                return
            self.update_banner()
            await asyncio.sleep(wait)
            wait = min(LONGEST_RETRY, wait * 2)

    def _connected(self, client: KubeClient) -> None:
        self._first_client = self._first_client or client
        self.feed = Feed(client, self.update_banner)
        self._namespace_objects = self.feed.subscribe(NAMESPACES, None)
        self._node_objects = self.feed.subscribe(NODES, None)
        for screen in self.hosts():
            screen.attach(self.feed)
        if client.namespace and client.namespace != self.namespace:
            self.set_namespace(client.namespace)
        self._poll_status()
        self.update_banner()

    async def on_unmount(self) -> None:
        await self._disconnect()

    async def _disconnect(self) -> None:
        feed, self.feed = self.feed, None
        await self.forwards.close()
        for screen in self.hosts():
            screen.detach()
        if feed is not None:
            await feed.close()
            await feed.client.close()

    def hosts(self) -> list[HostScreen]:
        """The screens with tables, the lowest first."""
        return [screen for screen in self.screen_stack if isinstance(screen, HostScreen)]

    # What every screen shows ---------------------------------------------------------------------------
    def dress(self, screen: Screen[Any]) -> None:
        """Bring header, footer and banner of a screen up to date."""
        if not isinstance(screen, HostScreen | PageScreen) or not screen.is_attached:
            return
        with contextlib.suppress(NoMatches):  # not composed yet: dressed again when it is
            screen.query_one(HeaderBar).info = self.header_info
            screen.set_class(self.header_info.is_guarded, "-guarded")
            footer = screen.query_one(FooterBar)
            footer.crumbs = tuple(each.crumb for each in self.screen_stack if isinstance(each, HostScreen | PageScreen))
            footer.keys = self._footer_keys(screen)
        self.update_banner()

    def _footer_keys(self, screen: HostScreen | PageScreen) -> tuple[tuple[str, str, str], ...]:
        if isinstance(screen, PageScreen):
            wanted = [*actions.of_scope(screen.SCOPE), *actions.of_scope("app")]
            key = None
        else:
            key = screen.pane.resource.key
            wanted = [*actions.of_scope("table"), *actions.of_scope("app")]
            wanted.sort(key=lambda action: not action.kinds)
        return tuple(
            (actions.keys_text(action, self.keymap), action.label, action.call)
            for action in wanted
            if action.footer and action.works_on(key, read_only=self.read_only)
        )

    def flash(self, text: str, severity: Severity = "info") -> None:
        """One line at the bottom, for a few seconds."""
        stack = [self.screen, *reversed(self.screen_stack)]
        screen: Screen[Any] = next((each for each in stack if isinstance(each, HostScreen | PageScreen)), self.screen)
        with contextlib.suppress(NoMatches):
            screen.query_one(FooterBar).flash(text, severity)

    def update_banner(self) -> None:
        """Say what is wrong with the connection, if anything is."""
        text, retry_at = self._failure
        if self.feed is not None:
            text, retry_at = self.feed.trouble()
        screen = self.screen if self.screen_stack else None
        if isinstance(screen, HostScreen | PageScreen) and screen.is_mounted:
            with contextlib.suppress(NoMatches):
                screen.query_one(Banner).show(text, retry_at)
        self._update_header(connected=self.feed is not None and not text)

    def _update_header(self, *, connected: bool) -> None:
        client = self.feed.client if self.feed else None
        nodes = list(self._node_objects.objects.values()) if self._node_objects and self.feed else []
        usage = dig(self.status, "node", default={})
        proxied = list(dig(self.status, "proxy", "services", default={}).values())
        info = HeaderInfo(
            context=client.context if client else "",
            cluster=client.cluster if client else "",
            namespace=self.namespace,
            engine=str(self.status.get("engine", "")),
            version=str(self.status.get("version", "")),
            node=f"{len(nodes)} nodes" if len(nodes) > 1 else name_of(nodes[0]) if nodes else "",
            node_ready=all(is_true(node, "Ready") for node in nodes),
            cpu=_share(usage.get("cpu")),
            memory=_share(usage.get("memory")),
            rate=_rate(proxied),
            failures=sum(int(counts.get("connectFailures", 0)) for counts in proxied),
            forwards=tuple(f"{each.local}→{each.remote}" for each in self.forwards.running),
            read_only=self.read_only,
            production=client is not None and is_production(client.context, client.cluster),
            connected=connected,
        )
        if info != self.header_info:
            self.header_info = info
            self.screen.set_class(info.is_guarded, "-guarded")
            with contextlib.suppress(NoMatches):
                self.screen.query_one(HeaderBar).info = info

    def _poll_status(self) -> None:
        if self.feed is not None:
            self.run_worker(self._read_status(), group="status", exclusive=True, exit_on_error=False)

    async def _read_status(self) -> None:
        """The version that any server tells; engine and load from k9lite itself, other servers are not asked."""
        if self.feed is None:
            return
        client = self.feed.client
        with contextlib.suppress(ApiError, ClientError):
            version = str((await client.version()).get("gitVersion", ""))
            is_own = "k9lite" in version
            self.status = await client.request("GET", "/k9lite/v1/status") if is_own else {"version": version}
        self.update_banner()

    # Where to look -------------------------------------------------------------------------------------
    def drill(self, location: Location) -> None:
        """Show it on top of what is shown."""
        self._remember(location)
        self.push_screen(TableScreen(location, self.clock))

    def go_to(self, location: Location, *, remember: bool = True) -> None:
        """Show it on top of home."""
        if remember:
            self._remember(location)
        if location.resource.namespaced and location.namespace != self.namespace:
            self.set_namespace(location.namespace)
        self._pop_to_home()
        self.push_screen(TableScreen(location, self.clock))

    def _pop_to_home(self) -> None:
        while len(self.hosts()) > 1 or not isinstance(self.screen, HostScreen):
            self.pop_screen()

    def _remember(self, location: Location) -> None:
        del self._visited[self._place + 1 :]
        self._visited.append(location)
        del self._visited[:-HISTORY]
        self._place = len(self._visited) - 1

    def go_back(self) -> None:
        """From a table to what was below it."""
        if len(self.hosts()) > 1:
            self.pop_screen()
        else:
            self.flash("q leaves; everything keeps running")

    def action_history(self, step: int) -> None:
        """-1, 1: along the history; 0: to the view before this one."""
        place = self._place + step if step else self._place - 1
        if not 0 <= place < len(self._visited):
            self.flash("no further view in the history", "warn")
            return
        if step == 0:
            visited = self._visited
            visited[place], visited[self._place] = visited[self._place], visited[place]
            place = self._place
        self._place = place
        self.go_to(self._visited[place], remember=False)

    def namespaces(self) -> list[str]:
        """Names, `default` first."""
        objects = self._namespace_objects.objects.values() if self._namespace_objects and self.feed else ()
        return sorted((name_of(obj) for obj in objects), key=lambda name: (name != "default", name))

    def choose_namespace(self, number: int) -> None:
        """0: all; 1 to 9: in the order of their names, `default` first."""
        names = self.namespaces()
        if number > len(names):
            self.flash(f"there is no namespace number {number}; there are {len(names)}", "warn")
            return
        self.set_namespace(names[number - 1] if number else "")
        self.flash(f"namespace {self.namespace or 'all'}")

    def set_namespace(self, namespace: str) -> None:
        self.namespace = namespace
        for screen in self.hosts():
            screen.set_namespace(namespace)
        self.update_banner()

    def reconnect(self) -> None:
        """List everything anew."""
        if self.feed is not None:
            self.feed.reconnect()
            self.flash("listing anew")

    # Commands ----------------------------------------------------------------------------------------
    def complete(self, text: str, history: list[str]) -> str | None:
        return commands.completion(text, self.namespaces(), history, commands.words(), self.clusters.names)

    def run_command(self, text: str) -> None:
        """What was typed after `:`."""
        try:
            command = commands.parse(text)
        except commands.CommandError as error:
            self.flash(str(error), "warn")
            return
        builtin = {
            "help": self.action_show_help,
            "quit": self.action_request_quit,
            "aliases": self.action_show_aliases,
            "home": self._pop_to_home,
            "theme": self.action_change_theme,
            "forwards": self._show_forwards,
        }.get(command.word)
        if command.word == commands.CONTEXT and not command.context:
            builtin = self.clusters.choose
        if builtin is not None:
            builtin()
            return
        self.run_worker(self._go(command), group="command", exclusive=True, exit_on_error=False)

    def _show_forwards(self) -> None:
        from k9lite.tui.dialogs.forwards import forwards_dialog

        if self.forwards.running:
            self.push_screen(forwards_dialog(self.forwards), lambda text: self.flash(text) if text else None)
        else:
            self.flash("no port is forwarded; shift+f on a pod forwards one")

    async def _go(self, command: commands.Command) -> None:
        try:
            if command.context:
                await self._switch_context(command.context)
            if command.word == commands.CONTEXT:
                self._pop_to_home()
                self.flash(f"context {command.context}")
                return
            resource = await self._find(command.word)
        except FAILURES as error:
            self.flash(str(error), "error")
            return
        if resource is None:
            self.flash(f"there is no kind {command.word}; ctrl+a lists them", "error")
            return
        if resource is NAMESPACES and command.namespace:
            self.set_namespace(command.namespace)
            return
        namespace = self.namespace if command.namespace is None else command.namespace
        self.go_to(Location(resource, namespace if resource.namespaced else "", command.labels, command.filter))

    async def _find(self, word: str) -> Resource | None:
        known = resolve(word)
        if known is not None or self.feed is None:
            return known
        from k9lite.client.discovery import find
        from k9lite.client.tables import with_columns

        found = await find(self.feed.client, word)
        with contextlib.suppress(ApiError):  # what the server refuses is said in the table
            found = await with_columns(self.feed.client, found)
        return found

    async def _switch_context(self, context: str) -> None:
        """Look at another cluster; if it does not answer, everything stays as it is."""
        client = await self.clusters.open(context)
        await self._disconnect()
        self.workers.cancel_group(self, "connect")
        self._pop_to_home()
        self._visited.clear()
        self._place = -1
        self.status, self._failure = {}, ("", None)
        for screen in self.hosts():
            screen.empty()
        self.set_namespace(client.namespace)
        self._connected(client)

    # Keys --------------------------------------------------------------------------------------------
    def action_prompt_command(self) -> None:
        from k9lite.tui.widgets.prompt import Prompt

        with contextlib.suppress(NoMatches):
            self.screen.query_one(Prompt).open("command")

    def action_show_help(self) -> None:
        from k9lite.tui.screens.help import HelpScreen

        screen = self.screen
        scope: actions.Scope = screen.SCOPE if isinstance(screen, PageScreen) else "table"
        wanted = [action for action in actions.of_scope(scope, "app") if not (self.read_only and action.mutates)]
        self.push_screen(HelpScreen(wanted, self.keymap))

    def action_show_aliases(self) -> None:
        from k9lite.tui.screens.text import TextScreen

        self.push_screen(TextScreen("kinds", "Kinds of this server", self._aliases))

    async def _aliases(self) -> str:
        from k9lite.api.catalog import RESOURCES

        resources: Iterable[Resource] = RESOURCES
        if self.feed is not None:
            from k9lite.client.discovery import served

            resources = await served(self.feed.client)
        rows = [
            (each.plural, ",".join(each.short_names), each.api_version, each.kind)
            for each in sorted(resources, key=lambda each: (each.group, each.plural))
        ]
        return "\n".join(f"{plural:32}{short:12}{version:32}{kind}" for plural, short, version, kind in rows)

    def action_toggle_mouse(self) -> None:
        driver = self._driver
        if driver is None:
            return
        self._mouse = not self._mouse
        state = "h" if self._mouse else "l"
        driver.write("".join(f"\x1b[?{mode}{state}" for mode in (1000, 1003, 1015, 1006)))
        driver.flush()
        self.flash("mouse on" if self._mouse else "the mouse selects text now; f2 takes it back")

    def action_request_quit(self) -> None:
        if not self._started_here() or self.feed is None:
            self.exit()
            return
        from k9lite.tui.dialogs.leave import LeaveDialog

        self.push_screen(LeaveDialog(), self._leave)

    def _leave(self, choice: str | None) -> None:
        if choice == "leave":
            self.exit()
        elif choice in ("stop", "pods"):
            self.run_worker(self._stop(pods=choice == "pods"), group="leave", exclusive=True, exit_on_error=False)

    async def _stop(self, *, pods: bool) -> None:
        """The control plane that this app started, whatever cluster is looked at now."""
        if self._first_client is not None:
            try:
                await self._first_client.request("POST", "/k9lite/v1/shutdown", body={"pods": pods})
            except (ApiError, ClientError) as error:
                self.flash(f"the control plane cannot be stopped: {error}", "error")
                return
            finally:
                await self._first_client.close()
        self.exit()

    def action_interrupt(self) -> None:
        """Once: copy what is selected, or warn; twice: leave."""
        now = time.monotonic()
        if now - self._interrupted < INTERRUPT_SECONDS:
            self.exit()
            return
        self._interrupted = now
        selected = self.screen.get_selected_text()
        if selected:
            self.copy_to_clipboard(selected)
            self.flash("selection copied; ctrl+c once more leaves")
        else:
            self.flash("ctrl+c once more leaves; everything keeps running", "warn")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: every action that works here."""
        if not isinstance(screen, HostScreen | PageScreen):
            return
        scope: actions.Scope = screen.SCOPE if isinstance(screen, PageScreen) else "table"
        key = screen.pane.resource.key if isinstance(screen, HostScreen) else None
        for action in actions.of_scope(scope, "app"):
            if action.id != "app.palette" and action.works_on(key, read_only=self.read_only):
                shown = actions.keys_text(action, self.keymap)
                yield SystemCommand(action.label, f"{shown}  {action.description}", self._runner(screen, action))

    def _runner(self, screen: Screen[Any], action: actions.Action) -> Callable[[], None]:
        def run() -> None:
            target = screen.pane.table if action.in_widget and isinstance(screen, HostScreen) else screen
            self.run_worker(self.run_action(action.call, target), exit_on_error=False)

        return run

    # Files ---------------------------------------------------------------------------------------------
    def save(self, name: str, text: str, directory: Path) -> None:
        """Write a file that was not there before, and say where it is."""
        try:
            path = _unused(directory / name)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.flash(f"cannot save {name}: {error.strerror or error}", "error")
        else:
            self.flash(f"saved {path}")


def _unused(path: Path) -> Path:
    """The path, or the same with a number that is free."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def _share(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rate(services: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """New connections of all services in each of the last seconds, the newest last."""
    rates = [list(service.get("rate") or ()) for service in services]
    longest = max(map(len, rates), default=0)
    return tuple(sum(column) for column in zip(*([0] * (longest - len(rate)) + rate for rate in rates), strict=True))


def _import_client() -> None:
    """In a thread, while the screen is already there: the HTTP library takes its time."""
    import aiohttp  # noqa: F401

    import k9lite.client.informer
    import k9lite.client.rest  # noqa: F401
