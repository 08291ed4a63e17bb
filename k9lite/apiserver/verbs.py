"""What each method does to what a path names: get, list, watch, create, update, patch, delete, and subresources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from k9lite.api.catalog import PODS
from k9lite.api.duplicates import json_duplicates
from k9lite.api.errors import ApiError, bad_request, invalid
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, encode, name_of
from k9lite.api.patch import APPLY
from k9lite.api.selectors import FieldSelector, LabelSelector
from k9lite.api.table import partial, partial_list, table
from k9lite.api.validation import unsupported
from k9lite.api.writer import IGNORE, Writer
from k9lite.apiserver.bodies import duplicates_in, parse_body, parse_patch
from k9lite.apiserver.discovery import SUBRESOURCE_VERBS
from k9lite.apiserver.listing import check_not_in_the_future, cut, find, page_of
from k9lite.apiserver.log_options import LogOptions, limited
from k9lite.apiserver.requests import PARTIAL, TABLE, Target, form_of, is_true
from k9lite.apiserver.warnings import writer_of
from k9lite.apiserver.watches import Encoder, failure, lines, start_of
from k9lite.registry.apply import apply, scale_as_applied
from k9lite.registry.eviction import evict
from k9lite.registry.registry import Deleted, Registry
from k9lite.registry.scale import check_scale, patch_scale, put_scale, scale_of
from k9lite.store.watch import Stored, Watch

if TYPE_CHECKING:
    from aiohttp import web

    from k9lite.apiserver.server import LogSource

Query = Mapping[str, str]
Answer = tuple[int, bytes]

METHOD_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}
OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


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
        if _verb(method, target) not in _verbs_of(target):
            raise _not_allowed()
        if method == "GET":
            accept = request.headers.get("Accept", "")
            return self._get(target, query, accept) if target.name else await self._list(target, query, accept)
        if method == "POST":
            obj, by = self._decoded(request, target, body, "CreateOptions")
            return await self._create(target, query, obj, by)
        if method == "PUT":
            obj, by = self._decoded(request, target, body, "UpdateOptions")
            return await self._update(target, query, obj, by)
        if method == "PATCH":
            return await self._patch(target, request, body)
        options = DeleteOptions.parse(parse_body(content_type, body) if body.strip() else None, dict(query))
        return await (self._delete(target, options) if target.name else self._delete_all(target, query, options))

    # Reading -----------------------------------------------------------------------------------------
    def _get(self, target: Target, query: Query, accept: str) -> Answer:
        check_not_in_the_future(query, self._store)
        stored = self._registry.get(target.resource, target.namespace or "", target.name)
        if target.subresource == "scale":
            return 200, encode(scale_of(target.resource, stored.obj))
        form = form_of(accept)
        if form == TABLE:
            return 200, self._table(target, [stored], {"resourceVersion": str(stored.rv)}, query)
        return 200, encode(partial(stored.obj)) if form == PARTIAL else _body(target, stored)

    async def _list(self, target: Target, query: Query, accept: str) -> Answer:
        page, matches, form = page_of(query, self._store), self._selection(target, query), form_of(accept)
        rv = page.rv if page.rv is not None else self._store.rv
        found = await find(self._store, target.resource.key, target.namespace, page)
        chosen = [stored for stored in found if matches(stored.obj)]
        chosen, metadata = cut(chosen, page, rv, counts=not _selects(query))
        if form == TABLE:
            return 200, self._table(target, chosen, metadata, query)
        if form == PARTIAL:
            return 200, encode(partial_list([stored.obj for stored in chosen], metadata))
        head = encode({"kind": target.resource.kind_of_list, "apiVersion": target.resource.api_version})[:-1]
        items = b",".join(_body(target, stored) for stored in chosen)
        return 200, b"".join((head, b',"metadata":', encode(metadata), b',"items":[', items, b"]}"))

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
        encoder = Encoder(
            target.resource, self._registry.clock, form_of(accept), query.get("includeObject") or "Metadata"
        )
        try:
            start = start_of(self._store, query, target.resource, target.namespace)
        except ApiError as error:
            if error.code != 410:
                raise
            return self._store.watch(target.resource.key, target.namespace), failure(encoder, error)
        bookmarks = is_true(query, "allowWatchBookmarks")
        return start.watch, lines(self._store, encoder, start, matches, bookmarks=bookmarks, seconds=seconds)

    def container_of(self, target: Target, container: str) -> str:
        """The container that a pod's subresource is about; the only one without a name. Raises ApiError 400 or 404."""
        pod = self._registry.get(PODS, target.namespace or "", target.name).obj
        names = [container["name"] for container in dig(pod, "spec", "containers", default=[])]
        others = [container["name"] for container in dig(pod, "spec", "initContainers", default=[])]
        if not container and len(names) > 1:
            raise bad_request(
                f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(names)}]"
            )
        container = container or names[0]
        if container not in (*names, *others):
            raise bad_request(f"container {container} is not valid for pod {target.name}")
        return container

    async def log(self, target: Target, query: Query) -> AsyncIterator[bytes]:
        """The log of one container. Raises ApiError 400, 404 or 422 before the first line."""
        container = self.container_of(target, query.get("container") or "")
        options = LogOptions.parse(query, target.name, self._registry.clock.time())
        lines = self._log_source.logs(
            target.namespace or "",
            target.name,
            container,
            follow=options.follow,
            tail_lines=options.tail_lines,
            previous=options.previous,
            timestamps=options.timestamps,
            since=options.since,
        )
        return lines if options.limit_bytes is None else limited(lines, options.limit_bytes)

    # Writing -----------------------------------------------------------------------------------------
    def _decoded(self, request: web.BaseRequest, target: Target, body: bytes, options: str) -> tuple[Any, Writer]:
        """The body of a create or an update, and who sends it. Raises ApiError 400, 415 or 422."""
        by = writer_of(request, options, target.subresource)
        content_type = request.headers.get("Content-Type", "")
        obj = parse_body(content_type, body)
        by.duplicates = duplicates_in(content_type, body, obj) if by.validation != IGNORE else []
        return obj, by

    async def _create(self, target: Target, query: Query, obj: Any, by: Writer) -> Answer:
        if target.subresource and not isinstance(obj, dict):
            raise bad_request("the request body must be an object")
        if target.subresource == "eviction":
            options = DeleteOptions.parse(dig(obj, "deleteOptions"), dict(query))
            _check_named(obj, target.name)
            await evict(self._registry, target.namespace or "", target.name, options)
            return 201, encode(_success(None))
        if target.subresource == "binding":
            node = str(dig(obj, "target", "name", default=""))
            uid, dry_run = dig(obj, "metadata", "uid"), _dry_run(query, "POST")
            _check_named(obj, target.name)
            await self._registry.bind(target.namespace or "", target.name, node, uid=uid, dry_run=dry_run)
            return 201, encode(_success(None))
        stored = await self._registry.create(
            target.resource, target.namespace or "", obj, dry_run=_dry_run(query, "POST"), by=by
        )
        return 201, _body(target, stored)

    async def _update(self, target: Target, query: Query, obj: Any, by: Writer) -> Answer:
        space, dry_run = target.namespace or "", _dry_run(query, "PUT")
        if target.subresource == "scale":
            scale = await put_scale(self._registry, target.resource, space, target.name, obj, dry_run=dry_run, by=by)
            return 200, encode(scale)
        if target.subresource == "finalize":
            finalizers = dig(obj, "spec", "finalizers", default=[])
            stored = await self._registry.finalize_namespace(target.name, finalizers, dry_run=dry_run)
            return 200, _body(target, stored)
        stored = await self._registry.update(
            target.resource, space, target.name, obj, subresource=target.subresource or None, dry_run=dry_run, by=by
        )
        return 200, _body(target, stored)

    def would_create(self, request: web.BaseRequest, target: Target) -> bool:
        """Whether a patch makes the object: server-side apply, where there is none."""
        applies = request.headers.get("Content-Type", "").startswith("application/apply-patch")
        return applies and self._store.get(target.resource.key, target.namespace or "", target.name) is None

    async def _patch(self, target: Target, request: web.BaseRequest, body: bytes) -> Answer:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
        patch = parse_patch(kind, body)
        by = writer_of(request, "PatchOptions", target.subresource, applies=kind == APPLY)
        by.duplicates = _duplicates_in_patch(kind, body, patch) if by.validation != IGNORE else []
        space, dry_run = target.namespace or "", _dry_run(request.query, "PATCH")
        if by.applies:
            return await self._apply(target, patch, by, dry_run=dry_run)
        if target.subresource == "scale":
            scale = await patch_scale(
                self._registry, target.resource, space, target.name, kind, patch, dry_run=dry_run, by=by
            )
            return 200, encode(scale)
        stored = await self._registry.patch(
            target.resource,
            space,
            target.name,
            kind,
            patch,
            subresource=target.subresource or None,
            dry_run=dry_run,
            by=by,
        )
        return 200, _body(target, stored)

    async def _apply(self, target: Target, applied: Any, by: Writer, *, dry_run: bool) -> Answer:
        space = target.namespace or ""
        if target.subresource == "scale":
            check_scale(applied, target.name)
            applied = scale_as_applied(target.resource, space, target.name, applied)
        stored, is_new = await apply(
            self._registry, target.resource, space, target.name, applied, by=by, dry_run=dry_run
        )
        if target.subresource == "scale":
            return 200, encode(scale_of(target.resource, stored.obj))
        return 201 if is_new else 200, _body(target, stored)

    async def _delete(self, target: Target, options: DeleteOptions) -> Answer:
        deleted = await self._registry.delete(target.resource, target.namespace or "", target.name, options)
        return 200, _deleted(target, deleted)

    async def _delete_all(self, target: Target, query: Query, options: DeleteOptions) -> Answer:
        matches = self._selection(target, query)
        found = await self._registry.delete_collection(target.resource, target.namespace, matches, options)
        head = encode({"kind": target.resource.kind_of_list, "apiVersion": target.resource.api_version,
                       "metadata": {"resourceVersion": str(self._store.rv)}})  # fmt: skip
        return 200, head[:-1] + b',"items":[' + b",".join(_body(target, stored) for stored in found) + b"]}"


def _duplicates_in_patch(kind: str, body: bytes, patch: Any) -> list[str]:
    if kind == APPLY:
        return duplicates_in(kind, body, patch)
    return json_duplicates(body, patch) if isinstance(patch, dict) else []


def _not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _check_named(obj: Obj, name: str) -> None:
    """What a subresource is sent may leave out its name, but not give another."""
    given = dig(obj, "metadata", "name")
    if given not in (None, "", name):
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def _verb(method: str, target: Target) -> str:
    """The verb of discovery and authorization; empty for a method that is none."""
    if target.name:
        return {**METHOD_VERBS, "DELETE": "delete"}.get(method, "")
    everywhere = target.resource.namespaced and target.namespace is None
    verbs = {"GET": "list"} if everywhere else {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
    return verbs.get(method, "")


def _verbs_of(target: Target) -> Sequence[str]:
    if target.subresource:
        return SUBRESOURCE_VERBS.get(target.subresource, ())
    # POST to an object is never a creation, whatever the verbs of its collection are.
    return [verb for verb in target.resource.verbs if not (verb == "create" and target.name)]


def _dry_run(query: Query, method: str) -> bool:
    """Raises ApiError 422."""
    value = query.get("dryRun", "")
    if value not in ("", "All"):
        raise invalid(OPTIONS[method], "meta.k8s.io", "", [unsupported("dryRun", [value], ("All",))])
    return value == "All"


ANSWERED_WHOLE = frozenset((
    "pods", "services", "serviceaccounts", "resourcequotas", "persistentvolumes", "persistentvolumeclaims",
    "podtemplates", "storageclasses.storage.k8s.io",
))  # fmt: skip
"""Kinds whose deletion answers with the object, as typed clients expect. Source: ReturnDeletedObject, pkg/registry."""


def _body(target: Target, stored: Stored) -> bytes:
    return target.resource.body(stored.obj, stored.body)


def _deleted(target: Target, deleted: Deleted) -> bytes:
    """The object while it is still there, or always for some kinds, else a Status that names it."""
    if not deleted.removed or target.resource.key in ANSWERED_WHOLE:
        return _body(target, deleted.stored)
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
