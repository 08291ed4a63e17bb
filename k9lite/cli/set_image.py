"""`k9lite set image`: gives containers of a pod or a pod template another image."""

from __future__ import annotations

import argparse

from k9lite.api.catalog import PODS
from k9lite.api.objects import Obj, copy_of, dig, name_of, namespace_of
from k9lite.cli import selection
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.output import add_output_flags, report
from k9lite.cli.parser import Switch
from k9lite.client.apply import difference


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("what", choices=["image"])
    parser.add_argument("words", nargs="*", metavar="KIND/NAME CONTAINER=IMAGE...")
    parser.add_argument("--all", action=Switch, help="every object of the kind")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="objects with these labels")
    add_output_flags(parser)


async def run(context: Context, _: str) -> int:
    args = context.args
    words = [word for word in args.words if "=" not in word]
    images = dict(word.split("=", 1) for word in args.words if "=" in word)
    selection.check(words, "set the image of")
    if not images or not all(images.values()):
        raise UsageError("at least one image update is required: CONTAINER=IMAGE")
    async with context.client() as client:
        found = await selection.objects(
            client, words, context.namespace(client), "set the image of", selector=args.selector, every=args.all
        )
        for resource, obj in found:
            wanted = with_images(obj, images, spec_path=("spec",) if resource.key == PODS.key else None)
            patch = difference(obj, wanted)
            if not patch:
                continue
            patch["metadata"] = {"resourceVersion": obj["metadata"]["resourceVersion"]}  # it replaces a list
            changed = await client.patch(
                resource, namespace_of(obj) or None, name_of(obj), patch, dry_run=args.dry_run == "server"
            )
            report(args, resource, changed, "image updated")
    return 0


def with_images(obj: Obj, images: dict[str, str], spec_path: tuple[str, ...] | None = None) -> Obj:
    """The object with other images, `*` meaning all containers. Raises CommandError for names that it lacks."""
    wanted = copy_of(obj)
    spec = dig(wanted, *(spec_path or ("spec", "template", "spec")))
    if not isinstance(spec, dict):
        raise CommandError(f"a {obj.get('kind')} has no pod template whose image could be set")
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    for name, image in images.items():
        matching = [each for each in containers if name in ("*", each.get("name"))]
        if not matching:
            raise CommandError(f'unable to find container named "{name}"')
        for container in matching:
            container["image"] = image
    return wanted
