"""Which resources a server has: k9lite's own kinds from the table in hand, any other from the server's discovery."""

from __future__ import annotations

import asyncio
from typing import Any

from k9lite.api import catalog
from k9lite.api.errors import ApiError
from k9lite.api.resources import Resource
from k9lite.client.errors import ClientError
from k9lite.client.rest import KubeClient


class UnknownResource(ClientError):
    """The server has no such kind."""


async def find(client: KubeClient, word: str) -> Resource:
    """A resource by plural, singular, short name or Kind, with or without `.group`. Raises UnknownResource."""
    known = catalog.resolve(word)
    if known is not None:
        return known
    wanted = word.lower()
    for resource in await served(client):
        plain = {resource.plural, resource.singular, resource.kind.lower(), *resource.short_names}
        if wanted in plain or wanted in {f"{name}.{resource.group}" for name in plain if resource.group}:
            return resource
    raise UnknownResource(f'the server doesn\'t have a resource type "{word}"')


async def find_kind(client: KubeClient, api_version: str, kind: str) -> Resource:
    """The resource of an object. Raises UnknownResource."""
    known = catalog.by_kind(api_version, kind)
    if known is not None:
        return known
    for resource in await served(client):
        if (resource.api_version, resource.kind) == (api_version, kind):
            return resource
    raise UnknownResource(
        f'no matches for kind "{kind}" in version "{api_version}": the server does not serve it '
        "(a typing error, or a definition that has to be installed first)"
    )


async def served(client: KubeClient) -> list[Resource]:
    """Every resource of the server, each in its group's preferred version first."""
    listed = await client.request("GET", "/apis")
    paths = [("", "v1", "/api/v1")]
    for group in listed.get("groups") or []:
        preferred = (group.get("preferredVersion") or {}).get("version")
        versions = [str(entry["version"]) for entry in group.get("versions") or []]
        for version in sorted(versions, key=lambda each: each != preferred):
            paths.append((str(group["name"]), version, f"/apis/{group['name']}/{version}"))
    answers = await asyncio.gather(*(_group(client, path) for _, _, path in paths))
    return [
        _resource(group, version, entry)
        for (group, version, _), entries in zip(paths, answers, strict=True)
        for entry in entries
        if "/" not in str(entry["name"])
    ]


async def _group(client: KubeClient, path: str) -> list[dict[str, Any]]:
    """The resources of one group; none where its own server is away, as upstream does."""
    try:
        answer = await client.request("GET", path)
    except ApiError as error:
        if error.code in (404, 503):
            return []
        raise
    resources: list[dict[str, Any]] = answer.get("resources") or []
    return resources


def _resource(group: str, version: str, entry: dict[str, Any]) -> Resource:
    known = catalog.by_path(group, version, str(entry["name"]))
    if known is not None:
        return known
    return Resource(
        group=group,
        version=version,
        kind=str(entry["kind"]),
        plural=str(entry["name"]),
        singular=str(entry.get("singularName") or entry["kind"]).lower(),
        namespaced=bool(entry.get("namespaced")),
        short_names=tuple(entry.get("shortNames") or ()),
        categories=tuple(entry.get("categories") or ()),
        verbs=tuple(entry.get("verbs") or ()),
    )
