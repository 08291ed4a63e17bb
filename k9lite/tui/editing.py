"""Editing an object in the user's own editor; the app steps aside meanwhile, and its watches go on."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.client import editor
from k9lite.client.errors import ClientError

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient
    from k9lite.tui.app import K9liteApp


async def edit_object(app: K9liteApp, client: KubeClient, resource: Resource, obj: Obj) -> None:
    """Open the editor until the server takes the object, or it is left unchanged."""
    from k9lite.client import yamlio

    namespace, name = namespace_of(obj) or None, name_of(obj)
    with tempfile.TemporaryDirectory(prefix="k9lite-edit-") as directory:
        path = Path(directory) / f"{resource.singular}-{name}.yaml"
        try:
            current = await client.get(resource, namespace, name)
            current.get("metadata", {}).pop("managedFields", None)
            text = editor.HEADER + yamlio.dump(current)
            while True:
                path.write_text(text, encoding="utf-8")
                await _edit(app, path)
                edited = path.read_text(encoding="utf-8")
                if edited == text or not editor.without_comments(edited).strip():
                    app.flash("nothing changed")
                    return
                problem = await _apply(client, resource, namespace, name, edited)
                if not problem:
                    app.flash(f"{resource.kind.lower()} {name} edited")
                    return
                text = editor.with_problem(problem, edited)
        except SuspendNotSupported:
            app.flash("this terminal cannot be handed to an editor", "error")
        except (ApiError, ClientError, OSError, UnicodeDecodeError) as error:
            app.flash(str(error), "error")


async def _edit(app: K9liteApp, path: Path) -> None:
    with app.suspend():
        process = await asyncio.create_subprocess_exec(*editor.command(), str(path))
        await process.wait()
    app.refresh()


async def _apply(client: KubeClient, resource: Resource, namespace: str | None, name: str, text: str) -> str:
    """Send what was edited. Returns what is wrong with it, for the editor to show."""
    from k9lite.client import yamlio

    try:
        obj = yamlio.parse_yaml(text, "edited object")
        if not isinstance(obj, dict):
            return "an object is needed here, with apiVersion, kind and metadata"
        await client.update(resource, namespace, name, obj)
    except ApiError as error:
        if error.code in (409, 404):
            raise
        return error.message
    except ClientError as error:
        return str(error)
    return ""
