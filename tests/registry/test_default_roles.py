"""The roles and the authorizer over a real store."""

from __future__ import annotations

import pytest

from k9lite.api.catalog import CLUSTERROLES
from k9lite.api.rbac import Attributes
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.registry.users import User

USER = User("someone", ("system:authenticated",))


def bound(name: str) -> dict[str, object]:
    subject = {"kind": "User", "name": "someone"}
    return {"metadata": {"name": "x"}, "roleRef": {"kind": "ClusterRole", "name": name}, "subjects": [subject]}


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "get", "pods", True), ("view", "get", "secrets", False), ("view", "list", "secrets", False),
        ("view", "watch", "secrets", False), ("view", "create", "pods/exec", False), ("view", "get", "pods/log", True),
        ("view", "get", "roles.rbac.authorization.k8s.io", False), ("view", "list", "pods.metrics.k8s.io", True),
        ("view", "create", "serviceaccounts/token", False), ("edit", "get", "secrets", True),
        ("edit", "create", "pods/exec", True), ("edit", "update", "deployments.apps", True),
        ("edit", "patch", "deployments.apps/scale", True), ("edit", "create", "rolebindings.rbac.authorization.k8s.io", False),
        ("admin", "create", "rolebindings.rbac.authorization.k8s.io", True), ("admin", "delete", "namespaces", False),
        ("admin", "create", "clusterroles.rbac.authorization.k8s.io", False), ("admin", "get", "nodes", False),
        ("cluster-admin", "delete", "nodes", True),
    ],
)  # fmt: skip
async def test_what_a_role_allows_in_its_namespace(
    registry: Registry, role: str, verb: str, resource: str, allowed: bool
) -> None:
    from k9lite.api.catalog import ROLEBINDINGS

    await registry.create(ROLEBINDINGS, "default", dict(bound(role)))
    plain, _, subresource = resource.partition("/")
    plural, _, group = plain.partition(".")
    asked = Attributes(verb, group, plural, subresource, "default")
    assert registry.authorizer.allows(USER, asked) is allowed
    assert registry.authorizer.allows(USER, Attributes(verb, group, plural, subresource, "kube-system")) is False


async def test_missing_roles_and_rules_are_given_back_at_a_start(registry: Registry) -> None:
    view = registry.get(CLUSTERROLES, "", "view").copy()
    rules, view["rules"] = view["rules"], view["rules"][1:]
    await registry.update(CLUSTERROLES, "", "view", view)
    edit = registry.get(CLUSTERROLES, "", "edit").copy()
    edit["rules"] = []
    edit["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false"
    await registry.update(CLUSTERROLES, "", "edit", edit)
    await registry.delete(CLUSTERROLES, "", "admin")
    await bootstrap(registry)
    found = registry.get(CLUSTERROLES, "", "view").obj["rules"]
    assert sorted(map(str, found)) == sorted(map(str, rules))
    assert registry.get(CLUSTERROLES, "", "edit").obj["rules"] == []
    assert registry.get(CLUSTERROLES, "", "admin").obj["rules"]
    rv = registry.store.rv
    await bootstrap(registry)
    assert registry.store.rv == rv
