"""`k9lite edit`: one object in the user's editor; what the server refuses is shown there again."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.api.resources import Resource
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context
from k9lite.cli.output import without_managed_fields
from k9lite.client import editor
from k9lite.client.apply import CONFLICT_RETRIES, edit_patch
from k9lite.client.errors import ManifestError
from k9lite.client.rest import KubeClient
from k9lite.client.yamlio import dump, parse_yaml


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("resources", nargs="*", metavar="KIND NAME | KIND/NAME")


async def run(context: Context, _: str) -> int:
    selection.check(context.args.resources, "edit")
    async with context.client() as client:
        resource, name = await selection.one(client, context.args.resources, "edit")
        namespace = context.namespace(client) if resource.namespaced else None
        obj = without_managed_fields(await client.get(resource, namespace, name))
        with tempfile.TemporaryDirectory(prefix="k9lite-edit-") as directory:
            return await _Edit(client, resource, obj, Path(directory) / f"{resource.singular}-{name}.yaml").run()


class _Edit:
    """One object, edited until the server takes it or the user gives up."""

    def __init__(self, client: KubeClient, resource: Resource, obj: Obj, path: Path) -> None:
        self._client = client
        self._resource = resource
        self._obj = obj
        self._path = path

    async def run(self) -> int:
        text = editor.HEADER + dump(self._obj)
        problem = ""
        while True:
            self._path.write_text(text, encoding="utf-8")
            await self._open()
            edited = self._path.read_text(encoding="utf-8")
            if edited == text or not editor.without_comments(edited).strip():
                if problem:
                    raise CommandError(f"Edit cancelled, no valid changes were saved: {problem}")
                print("Edit cancelled, no changes made.", file=sys.stderr)
                return 0
            problem = await self._send(editor.without_comments(edited))
            if not problem:
                return 0
            text = editor.with_problem(problem, edited)

    async def _open(self) -> None:
        words = [*editor.command(), str(self._path)]
        try:
            process = await asyncio.create_subprocess_exec(*words)
        except OSError as error:
            raise CommandError(f'unable to launch the editor "{words[0]}": {error.strerror}') from error
        if await process.wait():
            raise CommandError(f"there was a problem with the editor {words[0]!r}: exit code {process.returncode}")

    async def _send(self, text: str) -> str:
        """What is wrong with the edited text; nothing when the server has taken it."""
        name = selection.qualified(self._resource, name_of(self._obj))
        try:
            edited = parse_yaml(text, "edited object")
        except ManifestError as error:
            return str(error)
        if not isinstance(edited, dict) or not isinstance(edited.get("metadata"), dict):
            return "an object is needed here, with apiVersion, kind and metadata"
        try:
            changed = await self._apply(edited)
        except ApiError as error:
            if error.code in (404, 409):
                raise
            return error.message
        if changed:
            print(f"{name} edited")
        else:
            print("Edit cancelled, no changes made.", file=sys.stderr)
        return ""

    async def _apply(self, edited: Obj) -> bool:
        """Bring the changes into what the server has by now; False where there are none. Raises ApiError."""
        namespace, name = namespace_of(self._obj) or None, name_of(self._obj)
        for attempt in range(CONFLICT_RETRIES + 1):
            live = without_managed_fields(await self._client.get(self._resource, namespace, name))
            patch = edit_patch(self._obj, edited, live)
            if not patch:
                return False
            try:
                await self._client.patch(self._resource, namespace, name, patch)
                return True
            except ApiError as error:
                if error.code != 409 or attempt == CONFLICT_RETRIES:
                    raise
        raise AssertionError("not reached")
