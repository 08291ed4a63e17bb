"""The keys that act on objects: on the marks, else on the row that was selected when the key was pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from k9lite.api.catalog import NODES, PODS, REPLICASETS
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.tui.links import owned_by, pods_of
from k9lite.tui.panes import Location, Pane

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient
    from k9lite.tui.app import K9liteApp
    from k9lite.tui.dialogs.form import FormDialog

BEHIND = ("Deployment", "ReplicaSet", "Service", "Node", "StatefulSet", "DaemonSet", "Job")


class ObjectActions(Screen[None]):
    """Mixed into screens with tables."""

    @property
    def pane(self) -> Pane:
        raise NotImplementedError

    @property
    def k9(self) -> K9liteApp:
        from k9lite.tui.app import K9liteApp

        return cast(K9liteApp, self.app)

    def _targets(self) -> tuple[KubeClient | None, Resource, list[Obj]]:
        """(client, resource, objects); says so where there is nothing to act on."""
        feed = self.k9.feed
        objs = self.pane.table.targets()
        if feed is None:
            self.k9.flash("not connected to a server yet", "warn")
        elif not objs:
            self.k9.flash("no row is selected", "warn")
        return (feed.client if feed and objs else None), self.pane.resource, objs

    def _ask(self, dialog: FormDialog) -> None:
        def answered(text: str | None) -> None:
            if text:
                self.pane.table.action_clear_marks()
                self.k9.flash(text)

        self.app.push_screen(dialog, answered)

    # Looking -----------------------------------------------------------------------------------------
    def drill_down(self, obj: Obj) -> None:
        """Enter: what it owns, or the object itself."""
        kind = obj.get("kind")
        if kind == "Pod":
            self.action_logs()
        elif kind == "Namespace":
            self.k9.go_to(Location(PODS, name_of(obj)))
        elif kind in BEHIND:
            self._pods_behind(obj)
        else:
            self.action_describe()

    def _pods_behind(self, obj: Obj) -> None:
        name = f"{str(obj['kind']).lower()} {name_of(obj)}"
        self.k9.drill(Location(PODS, namespace_of(obj), scope_name=name, scope=pods_of(obj)))

    def action_describe(self) -> None:
        from k9lite.tui.screens.text import TextScreen

        client, resource, objs = self._targets()
        if client is None:
            return
        obj = objs[0]

        async def load() -> str:
            from k9lite.client.describe import describe

            return await describe(client, resource, namespace_of(obj), name_of(obj))

        title = f"Describe {resource.kind.lower()} {name_of(obj)}"
        self.app.push_screen(TextScreen(f"describe {name_of(obj)}", title, load))

    def action_yaml(self) -> None:
        from k9lite.tui.screens.text import TextScreen

        client, resource, objs = self._targets()
        if client is None:
            return
        obj = objs[0]

        async def load() -> str:
            from k9lite.client import yamlio

            found = await client.get(resource, namespace_of(obj) or None, name_of(obj))
            found.get("metadata", {}).pop("managedFields", None)
            return yamlio.dump(found)

        self.app.push_screen(
            TextScreen(f"yaml {name_of(obj)}", f"YAML of {resource.kind.lower()} {name_of(obj)}", load)
        )

    def action_logs(self) -> None:
        self._logs(previous=False)

    def action_previous_logs(self) -> None:
        self._logs(previous=True)

    def _logs(self, *, previous: bool) -> None:
        from k9lite.tui.screens.logs import LogScreen

        client, _, objs = self._targets()
        if client is not None:
            self.app.push_screen(LogScreen(objs, previous=previous))

    def action_replica_sets(self) -> None:
        client, _, objs = self._targets()
        if client is not None:
            obj = objs[0]
            name = f"deployment {name_of(obj)}"
            self.k9.drill(Location(REPLICASETS, namespace_of(obj), scope_name=name, scope=owned_by(obj)))

    def action_node(self) -> None:
        client, _, objs = self._targets()
        if client is None:
            return
        node = dig(objs[0], "spec", "nodeName", default="")
        if not node:
            self.k9.flash("the pod is on no node yet", "warn")
            return
        self.k9.drill(Location(NODES, scope_name=f"pod {name_of(objs[0])}", scope=lambda obj: name_of(obj) == node))

    def action_browse(self) -> None:
        from k9lite.tui.addresses import service_urls

        client, _, objs = self._targets()
        if client is None:
            return
        urls = service_urls(objs[0], client.server)
        if not urls:
            self.k9.flash(
                f"service {name_of(objs[0])} has no address outside the cluster; expose it as NodePort", "warn"
            )
            return
        self.app.open_url(urls[0])
        self.k9.flash(urls[0])

    # Changing ----------------------------------------------------------------------------------------
    def action_scale(self) -> None:
        from k9lite.tui.dialogs.objects import scale_dialog

        client, resource, objs = self._targets()
        if client is not None:
            self._ask(scale_dialog(client, resource, objs))

    def action_restart(self) -> None:
        from k9lite.tui.dialogs.objects import restart_dialog

        client, resource, objs = self._targets()
        if client is not None:
            self._ask(restart_dialog(client, resource, objs, self.k9.clock))

    def action_expose(self) -> None:
        from k9lite.tui.dialogs.objects import expose_dialog

        client, _, objs = self._targets()
        if client is not None:
            self._ask(expose_dialog(client, objs[0]))

    def action_shell(self) -> None:
        from k9lite.tui.shells import open_shell

        client, _, objs = self._targets()
        if client is not None:
            self.run_worker(open_shell(self.k9, client, objs[0]), exclusive=True, group="shell", exit_on_error=False)

    def action_attach(self) -> None:
        from k9lite.tui.shells import attach_to

        client, _, objs = self._targets()
        if client is not None:
            self.run_worker(attach_to(self.k9, client, objs[0]), exclusive=True, group="shell", exit_on_error=False)

    def action_port_forward(self) -> None:
        from k9lite.tui.dialogs.forwards import port_forward_dialog

        client, _, objs = self._targets()
        if client is not None:
            self._ask(port_forward_dialog(self.k9.forwards, client, objs[0]))

    def action_kill(self) -> None:
        from k9lite.tui.dialogs.objects import kill_dialog

        client, _, objs = self._targets()
        if client is not None:
            self._ask(kill_dialog(client, objs))

    def action_delete(self) -> None:
        from k9lite.tui.dialogs.objects import delete_dialog

        client, resource, objs = self._targets()
        if client is not None:
            self._ask(delete_dialog(client, resource, objs))

    def action_create(self) -> None:
        from k9lite.tui.dialogs.objects import create_dialog

        feed = self.k9.feed
        if feed is None:
            self.k9.flash("not connected to a server yet", "warn")
            return
        self._ask(create_dialog(feed.client, self.k9.namespace or feed.client.namespace))

    def action_edit(self) -> None:
        from k9lite.tui.editing import edit_object

        client, resource, objs = self._targets()
        if client is not None:
            obj = objs[0]
            self.run_worker(
                edit_object(self.k9, client, resource, obj), exclusive=True, group="edit", exit_on_error=False
            )
