"""Nobody gives away what he does not have: admission of roles and bindings.

A role may hold only rules that its writer holds (or he has the verb `escalate` on it); a binding may name only a role
whose rules its writer holds (or he has the verb `bind` on the role). Source: k8s.io/kubernetes/pkg/registry/rbac/{role,
clusterrole,rolebinding,clusterrolebinding}/policybased/storage.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from k9lite.api.catalog import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from k9lite.api.errors import ApiError, forbidden, not_found
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.api.rbac import GROUP, Attributes, Rule, not_covered
from k9lite.api.resources import Resource
from k9lite.registry.authorizer import Authorizer
from k9lite.registry.users import User, requester

_ALL = (Rule(frozenset("*"), frozenset("*"), frozenset("*")), Rule(frozenset("*"), urls=frozenset("*")))


class EscalationCheck:
    """Called by the registry before a write; looks at roles and bindings alone."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(self, resource: Resource, new: Obj, old: Obj | None) -> None:
        """Raises ApiError 403 if the requester would gain, or give, more than he has."""
        user = requester.get()
        if user is None or user.is_master or resource.group != GROUP:
            return
        if resource in (ROLES, CLUSTERROLES):
            self._check_role(resource, user, new, old)
        elif resource in (ROLEBINDINGS, CLUSTERROLEBINDINGS):
            self._check_binding(resource, user, new, old)

    def _check_role(self, resource: Resource, user: User, new: Obj, old: Obj | None) -> None:
        if old is not None and all(new.get(key) == old.get(key) for key in ("rules", "aggregationRule")):
            return
        space, name = namespace_of(new), name_of(new)
        if self._may(user, "escalate", resource, space, name):
            return
        if new.get("aggregationRule"):  # its rules will be whatever others come to hold
            owned, _ = self._authorizer.rules(user, "")
            if not_covered(owned, _ALL):
                raise forbidden(resource.key, name, "must have cluster-admin privileges to use the aggregationRule")
        self._check_rules(resource, user, name, space, [Rule.of(rule) for rule in new.get("rules") or []])

    def _check_binding(self, resource: Resource, user: User, new: Obj, old: Obj | None) -> None:
        if old is not None and all(new.get(key) == old.get(key) for key in ("roleRef", "subjects")):
            return
        space, reference = namespace_of(new), new["roleRef"]
        role, at = (ROLES, space) if reference["kind"] == "Role" else (CLUSTERROLES, "")
        if self._may(user, "bind", role, at if role is CLUSTERROLES and not space else space, reference["name"]):
            return
        rules = self._authorizer.role_rules(reference, space)
        if rules is None:
            raise not_found(role.key, reference["name"])
        self._check_rules(resource, user, name_of(new), space, rules)

    def _may(self, user: User, verb: str, resource: Resource, namespace: str, name: str) -> bool:
        asked = Attributes(verb, resource.group, resource.plural, namespace=namespace, name=name)
        return self._authorizer.allows(user, asked)

    def _check_rules(self, resource: Resource, user: User, name: str, namespace: str, wanted: Sequence[Rule]) -> None:
        owned, missing = self._authorizer.rules(user, namespace)
        lacking = not_covered(owned, wanted)
        if lacking:
            raise _refused(resource, user, name, lacking, missing)


def _refused(resource: Resource, user: User, name: str, lacking: list[Rule], missing: list[str]) -> ApiError:
    groups = " ".join(f'"{group}"' for group in user.groups)
    listed = "\n".join(sorted(str(rule) for rule in lacking))
    why = (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{listed}'
    )
    if missing:
        why += f"; resolution errors: [{', '.join(missing)}]"
    return forbidden(resource.key, name, why)
