"""May this user do this: requests as attributes for the authorizer, refusals in upstream's words, impersonation.

Source: k8s.io/apiserver/pkg/endpoints/{request/requestinfo.go,handlers/responsewriters/errors.go,filters}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from k9lite.api.errors import ApiError, bad_request
from k9lite.api.rbac import Attributes
from k9lite.apiserver.requests import Target, is_true
from k9lite.registry.authorizer import Authorizer
from k9lite.registry.users import ANONYMOUS, AUTHENTICATED, SERVICE_ACCOUNT, UNAUTHENTICATED, User

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

Query = Mapping[str, str]

_METHODS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ONE_NAME = re.compile(r"(?:^|,)metadata\.name==?([^,]+)")
_EXTRA = "impersonate-extra-"


def attributes_of(method: str, target: Target, query: Query) -> Attributes:
    """What a request on a resource wants to do."""
    verb = _METHODS.get(method, method.lower())
    name = target.name
    if verb == "get" and not target.subresource and is_true(query, "watch"):
        verb = "watch"
    elif not name and verb in ("get", "delete"):
        verb = "list" if verb == "get" else "deletecollection"
    if not name and verb in ("list", "watch", "deletecollection"):
        match = _ONE_NAME.search(query.get("fieldSelector", ""))
        name = match[1] if match else ""
    resource, namespace = target.resource, target.namespace or ""
    if resource.key == "namespaces":
        namespace = target.name  # a Namespace lies in itself, so that its own roles may allow reading it
    return Attributes(verb, resource.group, resource.plural, target.subresource, namespace, name)


class Access:
    """Raises ApiError 403 where RBAC does not allow something."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def check_path(self, user: User, method: str, path: str) -> None:
        """A path that is no resource; the verb is the method."""
        if not user.is_master:
            self.check(user, Attributes(method.lower(), path=path))

    def check_resource(self, user: User, method: str, target: Target, query: Query) -> None:
        if not user.is_master:
            self.check(user, attributes_of(method, target, query))

    def check_create(self, user: User, target: Target) -> None:
        """For a patch that makes the object it does not find."""
        resource = target.resource
        self.check(user, Attributes("create", resource.group, resource.plural, "", target.namespace or "", target.name))

    def check(self, user: User, asked: Attributes) -> None:
        if user.is_master:
            return
        decision = self._authorizer.decide(user, asked)
        if not decision.allowed:
            raise refusal(user, asked, decision.reason)

    def impersonated(self, user: User, headers: CIMultiDictProxy[str]) -> User:
        """The user that the Impersonate- headers name, if the one who asks may act for him."""
        if not any(key.lower().startswith("impersonate-") for key in headers):
            return user
        name, groups = headers.get("Impersonate-User", ""), headers.getall("Impersonate-Group", [])
        uid, extra = headers.get("Impersonate-Uid", ""), _extra(headers)
        if not name:
            raise bad_request("requested to impersonate groups, a uid or extra without a user")
        if name.startswith(SERVICE_ACCOUNT) and name.count(":") == 3:
            space, account = name.removeprefix(SERVICE_ACCOUNT).split(":")
            self.check(user, Attributes("impersonate", "", "serviceaccounts", namespace=space, name=account))
            groups = groups or ["system:serviceaccounts", f"system:serviceaccounts:{space}"]
        else:
            self.check(user, Attributes("impersonate", "", "users", name=name))
        for group in headers.getall("Impersonate-Group", []):
            self.check(user, Attributes("impersonate", "", "groups", name=group))
        if uid:
            self.check(user, Attributes("impersonate", "authentication.k8s.io", "uids", name=uid))
        for key, values in extra.items():
            for value in values:
                self.check(user, Attributes("impersonate", "authentication.k8s.io", "userextras", key, name=value))
        return User(name, _with_authenticated(name, groups), uid, extra)


def _with_authenticated(name: str, groups: list[str]) -> tuple[str, ...]:
    known = AUTHENTICATED in groups or UNAUTHENTICATED in groups
    added = UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED
    return tuple(groups) if known else (*groups, added)


def _extra(headers: CIMultiDictProxy[str]) -> dict[str, list[str]]:
    extra: dict[str, list[str]] = {}
    for key, value in headers.items():
        if key.lower().startswith(_EXTRA):
            extra.setdefault(unquote(key[len(_EXTRA) :].lower()), []).append(value)
    return extra


def refusal(user: User, asked: Attributes, reason: str = "") -> ApiError:
    """403 as upstream says it."""
    who = f'User "{user.name}" cannot {asked.verb}'
    tail = f": {reason}" if reason else ""
    if asked.path:
        return ApiError(403, "Forbidden", f'forbidden: {who} path "{asked.path}"{tail}', {})
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    why = f'{who} resource "{resource}" in API group "{asked.group}" {where}{tail}'
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    named = f'{qualified} "{asked.name}"' if asked.name else qualified
    details = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    return ApiError(
        403, "Forbidden", f"{named} is forbidden: {why}", {key: value for key, value in details.items() if value}
    )
