"""Answers to reviews: may I, may he, what may I, who am I, whose token is this.

Source: k8s.io/kubernetes/pkg/registry/{authorization,authentication}.
"""

from __future__ import annotations

from typing import Any

from k9lite.api.errors import Cause, bad_request, invalid
from k9lite.api.meta import check_identity
from k9lite.api.objects import Obj, dig
from k9lite.api.rbac import Attributes, Rule
from k9lite.api.resources import Resource
from k9lite.api.validation import required, wrong
from k9lite.apiserver.authentication import Authenticator
from k9lite.apiserver.requests import Target
from k9lite.registry.authorizer import Authorizer
from k9lite.registry.users import User

_EXACTLY_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


class Reviews:
    """Answers what is asked by creating an object of a review kind."""

    def __init__(self, authorizer: Authorizer, authenticator: Authenticator) -> None:
        self._authorizer = authorizer
        self._authenticator = authenticator

    def answer(self, user: User, target: Target, body: Any) -> Obj:
        """The review with its status. Raises ApiError 400 or 422."""
        resource = target.resource
        obj = check_identity(resource, body, target.namespace or "")
        obj["metadata"].setdefault("creationTimestamp", None)
        spec = obj.setdefault("spec", {}) or {}
        if resource.kind == "SelfSubjectReview":
            obj.pop("spec")
            obj["status"] = {"userInfo": user.info()}
        elif resource.kind == "TokenReview":
            obj["status"] = self._token(resource, spec)
        elif resource.kind == "SelfSubjectRulesReview":
            obj["status"] = self._rules(user, str(spec.get("namespace") or ""))
        else:
            obj["status"] = self._access(user, target, spec)
        return obj

    def _access(self, user: User, target: Target, spec: Obj) -> Obj:
        resource = target.resource
        causes: list[Cause] = []
        if resource.kind != "SelfSubjectAccessReview":
            user, causes = _subject(spec)
        on_resource, on_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if resource.kind == "LocalSubjectAccessReview":
            if on_path is not None:
                causes.append(wrong("spec.nonResourceAttributes", on_path, "disallowed on this kind of request"))
            if dig(on_resource, "namespace", default="") != target.namespace:
                why = "must match metadata.namespace"
                causes.append(
                    wrong("spec.resourceAttributes.namespace", dig(on_resource, "namespace", default=""), why)
                )
        elif (on_resource is None) == (on_path is None):
            field = "spec.nonResourceAttributes" if on_resource is not None else "spec.resourceAttributes"
            causes.append(wrong(field, on_path if on_resource is not None else "null", _EXACTLY_ONE))
        if causes:
            raise invalid(resource.kind, resource.group, "", causes)
        decision = self._authorizer.decide(user, _asked(on_resource, on_path))
        return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})

    def _rules(self, user: User, namespace: str) -> Obj:
        if not namespace:
            raise bad_request("no namespace on request")
        rules, missing = self._authorizer.rules(user, namespace)
        status: Obj = {
            "resourceRules": [_resource_rule(rule) for rule in rules if not rule.urls],
            "nonResourceRules": [
                {"verbs": sorted(rule.verbs), "nonResourceURLs": sorted(rule.urls)} for rule in rules if rule.urls
            ],
            "incomplete": bool(missing),
        }
        return status | ({"evaluationError": ", ".join(missing)} if missing else {})

    def _token(self, resource: Resource, spec: Obj) -> Obj:
        token, audiences = spec.get("token") or "", spec.get("audiences") or []
        if not token:
            raise invalid(resource.kind, resource.group, "", [required("spec.token")])
        service_tokens = self._authenticator.service_tokens
        if audiences and service_tokens and (user := service_tokens.user_of(token, tuple(audiences))):
            return {"authenticated": True, "user": user.info(), "audiences": audiences}
        found = self._authenticator.token_user(token) if not audiences else None
        if found is None:
            return {"user": {}, "error": "invalid bearer token"}
        from k9lite.apiserver.service_tokens import ISSUER

        return {"authenticated": True, "user": found.info(), "audiences": [ISSUER]}


def _subject(spec: Obj) -> tuple[User, list[Cause]]:
    name, groups = spec.get("user") or "", spec.get("groups") or []
    causes = []
    if not name and not groups:
        causes.append(wrong("spec.user", "", "at least one of user or group must be specified"))
    return User(name, tuple(groups), spec.get("uid") or "", spec.get("extra") or {}), causes


def _asked(on_resource: Obj | None, on_path: Obj | None) -> Attributes:
    if on_path is not None:
        return Attributes(str(on_path.get("verb") or ""), path=str(on_path.get("path") or ""))
    words = on_resource or {}
    return Attributes(
        *(str(words.get(key) or "") for key in ("verb", "group", "resource", "subresource", "namespace", "name"))
    )


def _resource_rule(rule: Rule) -> Obj:
    shown = {
        "verbs": sorted(rule.verbs),
        "apiGroups": sorted(rule.groups),
        "resources": sorted(rule.resources),
        "resourceNames": sorted(rule.names),
    }
    return {key: value for key, value in shown.items() if value}
