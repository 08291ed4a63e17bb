"""What a list asks for: options and their rules, pages over one snapshot, and the token that leads to the next page.

Source of the rules: k8s.io/apimachinery/pkg/apis/meta/internalversion/validation and k8s.io/apiserver/pkg/storage.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from k9lite.api.errors import ApiError, Cause, bad_request, invalid
from k9lite.api.objects import Obj, encode, name_of, namespace_of
from k9lite.api.validation import not_allowed, unsupported
from k9lite.apiserver.requests import whole_number
from k9lite.store.store import Store
from k9lite.store.watch import Stored

Query = Mapping[str, str]

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is the (namespace, name) that the page before ended with. `rv` None: the newest state."""

    limit: int
    rv: int | None
    after: tuple[str, str] | None


def page_of(query: Query, store: Store) -> Page:
    """The page that a list asks for. Raises ApiError 400, 410, 422 or 504."""
    _check_list_options(query)
    limit, rv = whole_number(query, "limit") or 0, whole_number(query, "resourceVersion")
    if query.get("continue"):
        if rv:
            raise bad_request("specifying resource version is not allowed when using continue")
        return _next_page(query["continue"], limit, store)
    check_not_in_the_future(query, store)
    match = query.get("resourceVersionMatch")
    exact = match == "Exact" or (not match and limit and rv)  # a limit alone has always meant this
    if exact and rv and rv < store.oldest:
        raise ApiError(410, "Expired", f"The resourceVersion for the provided list is too old: {rv} ({store.oldest})")
    return Page(limit, rv if exact else None, None)


def check_not_in_the_future(query: Query, store: Store) -> None:
    """A resourceVersion that was not given yet is answered with 504, for the client to come again."""
    wanted = whole_number(query, "resourceVersion")
    if wanted and wanted > store.rv:
        raise store.too_large(wanted)


async def find(store: Store, resource: str, namespace: str | None, page: Page) -> list[Stored]:
    """The objects from the page's start on, in order."""
    if page.rv is None or page.rv == store.rv:
        found = store.list(resource, namespace)
    else:
        found = await store.list_at(resource, namespace, page.rv)
    if page.after is None:
        return found
    return [stored for stored in found if (namespace_of(stored.obj), name_of(stored.obj)) > page.after]


def cut(found: list[Stored], page: Page, rv: int, *, counts: bool) -> tuple[list[Stored], Obj]:
    """The page's objects and the list's metadata. `counts`: whether the number of those left out is known."""
    metadata: Obj = {"resourceVersion": str(rv)}
    if page.limit and len(found) > page.limit:
        left_out, found = len(found) - page.limit, found[: page.limit]
        metadata["continue"] = _token(rv, (namespace_of(found[-1].obj), name_of(found[-1].obj)))
        if counts:
            metadata["remainingItemCount"] = left_out
    return found, metadata


def _token(rv: int, after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(encode([rv, *after])).decode()


def _next_page(token: str, limit: int, store: Store) -> Page:
    try:
        rv, namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
        page = Page(limit, int(rv) or None, (str(namespace), str(name)))
    except (ValueError, TypeError) as error:
        raise bad_request("continue key is not valid: it is not one this server gave") from error
    if page.rv is not None and page.after is not None:
        if page.rv > store.rv:
            raise bad_request("continue key is not valid: it is not one this server gave")
        if page.rv < store.oldest:
            raise ApiError(410, "Expired", _TOO_OLD, metadata={"continue": _token(0, page.after)})
    return page


def _check_list_options(query: Query) -> None:
    causes: list[Cause] = []
    match = query.get("resourceVersionMatch")
    if match:
        causes += _match_causes(query, match)
    if query.get("sendInitialEvents"):
        causes.append(not_allowed("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)


def _match_causes(query: Query, match: str) -> list[Cause]:
    field, causes = "resourceVersionMatch", []
    if not query.get("resourceVersion"):
        causes.append(not_allowed(field, f"{field} is forbidden unless resourceVersion is provided"))
    if query.get("continue"):
        causes.append(not_allowed(field, f"{field} is forbidden when continue is provided"))
    if match not in ("Exact", "NotOlderThan"):
        causes.append(unsupported(field, match, ("Exact", "NotOlderThan", "")))
    if match == "Exact" and query.get("resourceVersion") == "0":
        causes.append(not_allowed(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    return causes


def check_watch_options(query: Query) -> None:
    """Raises ApiError 422."""
    causes: list[Cause] = []
    match, field = query.get("resourceVersionMatch"), "resourceVersionMatch"
    initial = query.get("sendInitialEvents")
    if initial and match != "NotOlderThan":
        causes.append(not_allowed(field, f"sendInitialEvents requires setting {field} to NotOlderThan"))
    if match:
        if not initial:
            causes.append(not_allowed(field, f"{field} is forbidden for watch unless sendInitialEvents is provided"))
        if match != "NotOlderThan":
            causes.append(unsupported(field, match, ("NotOlderThan",)))
        if query.get("continue"):
            causes.append(not_allowed(field, f"{field} is forbidden when continue is provided"))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
