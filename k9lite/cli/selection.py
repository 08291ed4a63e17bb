"""Which objects the arguments name: `pods`, `pods a b`, `deploy,svc`, `pod/a deploy/b`, `all`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from k9lite.api import catalog
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.cli.context import UsageError
from k9lite.client import discovery
from k9lite.client.rest import KubeClient


@dataclass(frozen=True, slots=True)
class Selection:
    """One resource; `names` empty: all of its objects (that selectors let through)."""

    resource: Resource
    names: tuple[str, ...] = ()


def check(words: Sequence[str], what: str = "") -> None:
    """Refuse what cannot be meant, before a server is asked. Raises UsageError."""
    if not words:
        raise UsageError("You must specify the type of resource" + (f" to {what}" if what else ""))
    slashed = [word for word in words if "/" in word]
    if slashed and len(slashed) != len(words):
        raise UsageError(
            "there is no need to specify a resource type as a separate argument when passing arguments in "
            f"resource/name form (e.g. '{words[0].partition('/')[0]}/{(slashed[0].partition('/')[2]) or 'NAME'}')"
        )
    for word in slashed:
        kind, _, name = word.partition("/")
        if not kind or not name or "/" in name:
            raise UsageError(
                f'arguments in resource/name form may not have more than one slash, nor be empty: "{word}"'
            )


async def select(client: KubeClient, words: Sequence[str], what: str = "") -> list[Selection]:
    """The selections of the words, in their order. Raises UsageError, UnknownResource."""
    check(words, what)
    if "/" in words[0]:
        return await _pairs(client, words)
    kinds = [kind for kind in words[0].split(",") if kind]
    names = tuple(dict.fromkeys(words[1:]))
    resources: list[Resource] = []
    for kind in kinds:
        found = await _category(client, kind) if kind.lower() == "all" else [await discovery.find(client, kind)]
        resources += [resource for resource in found if resource not in resources]
    return [Selection(resource, names) for resource in resources]


async def _pairs(client: KubeClient, words: Sequence[str]) -> list[Selection]:
    names: dict[str, tuple[Resource, list[str]]] = {}
    for word in words:
        kind, _, name = word.partition("/")
        resource = await discovery.find(client, kind)
        names.setdefault(resource.key, (resource, []))[1].append(name)
    return [Selection(resource, tuple(dict.fromkeys(listed))) for resource, listed in names.values()]


async def _category(client: KubeClient, category: str) -> list[Resource]:
    """The resources of `all`: those k9lite knows, then what else the server has of it."""
    known = [resource for resource in catalog.RESOURCES if category in resource.categories]
    more = [resource for resource in await discovery.served(client) if category in resource.categories]
    by_key = {resource.key: resource for resource in [*known, *more]}
    served = {resource.key for resource in more}
    return [resource for key, resource in by_key.items() if key in served]


async def one(client: KubeClient, words: Sequence[str], what: str) -> tuple[Resource, str]:
    """Exactly one object: `deployment web` or `deployment/web`. Raises UsageError."""
    found = await select(client, words, what)
    if len(found) != 1 or len(found[0].names) != 1:
        raise UsageError(f"name one object to {what}, such as deployment/web")
    return found[0].resource, found[0].names[0]


async def objects(
    client: KubeClient,
    words: Sequence[str],
    namespace: str | None,
    what: str,
    *,
    selector: str = "",
    every: bool = False,
) -> list[tuple[Resource, Obj]]:
    """The objects that words name, or with a selector or `every` those of the kinds. Raises UsageError, ApiError."""
    found: list[tuple[Resource, Obj]] = []
    for wanted in await select(client, words, what):
        resource = wanted.resource
        place = namespace if resource.namespaced else None
        if wanted.names and (selector or every):
            raise UsageError("name cannot be provided when a selector is specified")
        if not wanted.names and not (selector or every):
            raise UsageError("resource(s) were provided, but no name was specified")
        if wanted.names:
            found += [(resource, await client.get(resource, place, name)) for name in wanted.names]
        else:
            listed = await client.list(resource, place, label_selector=selector)
            found += [(resource, obj) for obj in listed["items"]]
    return found


def qualified(resource: Resource, name: str) -> str:
    """`deployment.apps/web`, `service/web`: as kubectl names an object in what it prints."""
    return f"{kind_word(resource)}/{name}"


def kind_word(resource: Resource) -> str:
    """`deployment.apps`, `pod`."""
    return f"{resource.singular}.{resource.group}" if resource.group else resource.singular
