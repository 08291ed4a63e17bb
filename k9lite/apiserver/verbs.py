"""What each method does to what a path names: get, list, watch, create, update, patch, delete, and subresources."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError, bad_request, expired
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, encode, name_of, namespace_of
from k9lite.api.selectors import FieldSelector, LabelSelector
from k9lite.api.table import table
from k9lite.apiserver.discovery import SUBRESOURCE_VERBS
from k9lite.apiserver.requests import Target, is_true, parse_body, wants_table, whole_number
from k9lite.apiserver.watches import Encoder, lines, start_of
from k9lite.registry.registry import Deleted, Registry
from k9lite.registry.scale import patch_scale, put_scale, scale_of
from k9lite.store.watch import Stored, Watch

if TYPE_CHECKING:
    from aiohttp import web

    from k9lite.apiserver.server import LogSource

Query = Mapping[str, str]
Answer = tuple[int, bytes]

METHOD_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}


class Verbs:
    """Answers as (status code, JSON bytes); failures are ApiErrors."""

    def __init__(self, registry: Registry, log_source: LogSource) -> None:
        self._registry = registry
        self._store = registry.store
        self._log_source = log_source

    async def answer(self, request: web.BaseRequest, target: Target, body: bytes) -> Answer:
        """Everything but streams."""
        method, query = request.method, request.query
        content_type = request.headers.get("Content-Type", "")
        if target.subresource and METHOD_VERBS.get(method) not in SUBRESOURCE_VERBS.get(target.subresource, []):
            raise _not_allowed()
        if method == "GET":
            accept = request.headers.get("Accept", "")
            return self._get(target, query, accept) if target.name else self._list(target, query, accept)
        if method == "POST":
            return await self._create(target, query, parse_body(content_type, body))
        if method == "PUT" and target.name:
            return await self._update(target, query, parse_body(content_type, body))
        if method == "PATCH" and target.name:
            return await self._patch(target, query, content_type, body)
        if method == "DELETE" and not target.subresource:
            options = DeleteOptions.parse(parse_body(content_type, body) if body.strip() else None, dict(query))
            return await (self._delete(target, options) if target.name else self._delete_all(target, query, options))
        raise _not_allowed()

    # Reading -----------------------------------------------------------------------------------------
    def _get(self, target: Target, query: Query, accept: str) -> Answer:
        stored = self._registry.get(target.resource, target.namespace or "", target.name)
        if target.subresource == "scale":
            return 200, encode(scale_of(stored.obj))
        if wants_table(accept):
            return 200, self._table(target, [stored], {"resourceVersion": str(stored.rv)}, query)
        return 200, stored.body

    def _list(self, target: Target, query: Query, accept: str) -> Answer:
        self._check_list_options(query)
        rv, after, left_out = self._store.rv, _continue_of(query), 0
        matches = self._selection(target, query)
        found = [stored for stored in self._store.list(target.resource.key, target.namespace) if matches(stored.obj)]
        limit = whole_number(query, "limit") or 0
        if after is not None:
            rv = after[0]
            if rv < self._store.oldest:
                raise expired("The provided continue parameter is too old to display a consistent list result.")
            found = [stored for stored in found if (namespace_of(stored.obj), name_of(stored.obj)) > after[1:]]
        metadata = {"resourceVersion": str(rv)}
        if limit and len(found) > limit:
            left_out, found = len(found) - limit, found[:limit]
            metadata["continue"] = _continue_token(rv, found[-1].obj)
        if wants_table(accept):
            return 200, self._table(target, found, metadata, query)
        extra = b',"remainingItemCount":' + str(left_out).encode() if left_out and not _selects(query) else b""
        head = encode({"kind": target.resource.kind + "List", "apiVersion": target.resource.api_version})[:-1]
        items = b",".join(stored.body for stored in found)
        return 200, b"".join((head, b',"metadata":', encode(metadata)[:-1], extra, b'},"items":[', items, b"]}"))

    def _check_list_options(self, query: Query) -> None:
        match, rv = query.get("resourceVersionMatch"), query.get("resourceVersion")
        if query.get("sendInitialEvents"):
            why = "sendInitialEvents is forbidden for list"
            raise ApiError(
                422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: {why}'
            )
        if match and not rv:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            raise ApiError(
                422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: {why}'
            )
        wanted = whole_number(query, "resourceVersion")
        if wanted and wanted > self._store.rv:
            raise ApiError(
                504, "Timeout", f"Too large resource version: {wanted}, current: {self._store.rv}",
                {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
            )  # fmt: skip

    def _table(self, target: Target, found: list[Stored], metadata: Obj, query: Query) -> bytes:
        include = query.get("includeObject") or "Metadata"
        answer = table(
            target.resource,
            (stored.obj for stored in found),
            metadata["resourceVersion"],
            self._registry.clock.time(),
            include,
        )
        answer["metadata"] = metadata
        return encode(answer)

    def _selection(self, target: Target, query: Query) -> Callable[[Obj], bool]:
        labels = LabelSelector.parse(query.get("labelSelector", ""))
        fields = FieldSelector.parse(query.get("fieldSelector", ""), target.resource)
        name = target.name

        def matches(obj: Obj) -> bool:
            if name and name_of(obj) != name:
                return False
            return labels.matches(dig(obj, "metadata", "labels", default={})) and fields.matches(obj)

        return matches

    # Streams -----------------------------------------------------------------------------------------
    def is_watch(self, target: Target, query: Query) -> bool:
        return is_true(query, "watch") and not target.subresource

    def watch(self, target: Target, query: Query, accept: str, seconds: float) -> tuple[Watch, AsyncIterator[bytes]]:
        """Chunks of event lines, and the watch to close in the end. Raises ApiError before the first."""
        matches = self._selection(target, query)
        include = (query.get("includeObject") or "Metadata") if wants_table(accept) else None
        start = start_of(self._store, query, target.resource, target.namespace)
        encoder = Encoder(target.resource, self._registry.clock, include)
        bookmarks = is_true(query, "allowWatchBookmarks")
        return start[1], lines(self._store, encoder, start, matches, bookmarks=bookmarks, seconds=seconds)

    async def log(self, target: Target, query: Query) -> AsyncIterator[bytes]:
        """The log of one container. Raises ApiError 400 or 404 before the first line."""
        pod = self._registry.get(PODS, target.namespace or "", target.name).obj
        names = [container["name"] for container in dig(pod, "spec", "containers", default=[])]
        others = [container["name"] for container in dig(pod, "spec", "initContainers", default=[])]
        container = query.get("container") or ""
        if not container:
            if len(names) > 1:
                raise bad_request(
                    f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(names)}]"
                )
            container = names[0]
        if container not in (*names, *others):
            raise bad_request(f"container {container} is not valid for pod {target.name}")
        return self._log_source.logs(
            target.namespace or "",
            target.name,
            container,
            follow=is_true(query, "follow"),
            tail_lines=whole_number(query, "tailLines"),
            previous=is_true(query, "previous"),
            timestamps=is_true(query, "timestamps"),
        )

    # Writing -----------------------------------------------------------------------------------------
    async def _create(self, target: Target, query: Query, obj: Any) -> Answer:
        if target.subresource and not isinstance(obj, dict):
            raise bad_request("the request body must be an object")
        if target.subresource == "eviction":
            options = DeleteOptions.parse(dig(obj, "deleteOptions"), dict(query))
            await self._registry.delete(target.resource, target.namespace or "", target.name, options)
            return 201, encode(_success(None))
        if target.subresource == "binding":
            node = str(dig(obj, "target", "name", default=""))
            await self._registry.bind(target.namespace or "", target.name, node, uid=dig(obj, "metadata", "uid"))
            return 201, encode(_success(None))
        if target.name or target.namespace is None:
            raise _not_allowed()
        stored = await self._registry.create(target.resource, target.namespace, obj, dry_run=_dry_run(query))
        return 201, stored.body

    async def _update(self, target: Target, query: Query, obj: Any) -> Answer:
        space, dry_run = target.namespace or "", _dry_run(query)
        if target.subresource == "scale":
            scale = await put_scale(self._registry, target.resource, space, target.name, obj, dry_run=dry_run)
            return 200, encode(scale)
        if target.subresource == "finalize":
            finalizers = dig(obj, "spec", "finalizers", default=[])
            return 200, (await self._registry.finalize_namespace(target.name, finalizers)).body
        stored = await self._registry.update(
            target.resource, space, target.name, obj, subresource=target.subresource or None, dry_run=dry_run
        )
        return 200, stored.body

    async def _patch(self, target: Target, query: Query, content_type: str, body: bytes) -> Answer:
        kind = content_type.partition(";")[0].strip()
        try:
            patch = orjson.loads(body) if kind.endswith("+json") else None  # other types are refused later
        except orjson.JSONDecodeError as error:
            raise bad_request(f"error decoding patch: {error}") from error
        space, dry_run = target.namespace or "", _dry_run(query)
        if target.subresource == "scale":
            scale = await patch_scale(self._registry, target.resource, space, target.name, kind, patch, dry_run=dry_run)
            return 200, encode(scale)
        stored = await self._registry.patch(
            target.resource, space, target.name, kind, patch, subresource=target.subresource or None, dry_run=dry_run
        )
        return 200, stored.body

    async def _delete(self, target: Target, options: DeleteOptions) -> Answer:
        deleted = await self._registry.delete(target.resource, target.namespace or "", target.name, options)
        return 200, _deleted(target, deleted)

    async def _delete_all(self, target: Target, query: Query, options: DeleteOptions) -> Answer:
        matches = self._selection(target, query)
        found = await self._registry.delete_collection(target.resource, target.namespace, matches, options)
        head = encode({"kind": target.resource.kind + "List", "apiVersion": target.resource.api_version,
                       "metadata": {"resourceVersion": str(self._store.rv)}})  # fmt: skip
        return 200, head[:-1] + b',"items":[' + b",".join(stored.body for stored in found) + b"]}"


def _not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _dry_run(query: Query) -> bool:
    value = query.get("dryRun", "")
    if value not in ("", "All"):
        raise bad_request(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return value == "All"


def _deleted(target: Target, deleted: Deleted) -> bytes:
    """The object while it is still there (and pods, as upstream), else a Status that names it."""
    if not deleted.removed or target.resource is PODS:
        return deleted.stored.body
    return encode(_success(target, deleted.stored.obj["metadata"]["uid"]))


def _success(target: Target | None, uid: str = "") -> Obj:
    status: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if target is not None:
        status["details"] = {"name": target.name, "kind": target.resource.plural, "uid": uid}
        if target.resource.group:
            status["details"]["group"] = target.resource.group
    return status


def _selects(query: Query) -> bool:
    return bool(query.get("labelSelector") or query.get("fieldSelector"))


def _continue_token(rv: int, last: Obj) -> str:
    return base64.urlsafe_b64encode(encode([rv, namespace_of(last), name_of(last)])).decode()


def _continue_of(query: Query) -> tuple[int, str, str] | None:
    """(rv, namespace, name) after which to go on. Raises ApiError 400 or 410."""
    token = query.get("continue", "")
    if not token:
        return None
    try:
        rv, namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
        return int(rv), str(namespace), str(name)
    except (ValueError, TypeError) as error:
        raise bad_request("continue key is not valid: it is not one this server gave") from error
