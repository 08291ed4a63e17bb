"""RBAC over the wire: what the default roles allow, what roles allow, what nobody may give away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.apiserver.secured import Secured

RBAC = "/apis/rbac.authorization.k8s.io/v1"
IN_DEFAULT = f"{RBAC}/namespaces/default"
PODS = "/api/v1/namespaces/default/pods"
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
ACCESS = "/apis/authorization.k8s.io/v1"


@pytest_asyncio.fixture
async def jane(server: Secured) -> Path:
    return server.certificate("jane", "team")


def role(name: str, *rules: Any, kind: str = "Role", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, **more}, "rules": list(rules)}


def rule(resources: str, verbs: str, group: str = "", names: str = "") -> dict[str, Any]:
    made = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return made | ({"resourceNames": names.split()} if names else {})


def binding(name: str, role_name: str, user: str = "jane", kind: str = "Role") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "roleRef": {"kind": kind, "name": role_name},
        "subjects": [{"kind": "User", "name": user}],
    }


async def allow(server: Secured, *rules: Any) -> None:
    """Jane may do this in the namespace default."""
    await server.ok("POST", f"{IN_DEFAULT}/roles", role("janes", *rules))
    await server.ok("POST", f"{IN_DEFAULT}/rolebindings", binding("janes", "janes"))


# The default roles -----------------------------------------------------------------------------------
async def test_view_reads_but_no_secrets_and_changes_nothing(server: Secured) -> None:
    token = await server.token("view")
    await server.ok("POST", PODS, POD)
    assert len((await server.ok("GET", "/api/v1/pods", token=token))["items"]) == 1
    await server.ok("GET", "/apis/apps/v1/namespaces/default/deployments", token=token)
    message = await server.refused("DELETE", f"{PODS}/p", token=token)
    assert 'pods "p" is forbidden' in message
    assert 'cannot delete resource "pods" in API group "" in the namespace "default"' in message
    await server.refused("POST", PODS, POD, token=token)
    await server.refused("GET", "/api/v1/nodes", token=token)
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": "default"}}}
    assert (await server.ok("POST", f"{ACCESS}/selfsubjectaccessreviews", review, token=token))["status"] == {
        "allowed": False
    }


async def test_edit_of_a_namespace_stays_in_it(server: Secured) -> None:
    token = await server.token("edit", "default")
    await server.ok("POST", PODS, POD, token=token)
    await server.ok(
        "PATCH",
        f"{PODS}/p",
        {"metadata": {"labels": {"a": "b"}}},
        token=token,
        headers={"Content-Type": "application/merge-patch+json"},
    )
    message = await server.refused("GET", "/api/v1/namespaces/kube-system/pods", token=token)
    assert message.endswith('cannot list resource "pods" in API group "" in the namespace "kube-system"')
    assert (await server.refused("GET", "/api/v1/pods", token=token)).endswith("at the cluster scope")
    await server.refused("GET", f"{IN_DEFAULT}/roles", token=token)


async def test_admin_of_a_namespace_gives_roles_in_it(server: Secured) -> None:
    token = await server.token("admin", "default")
    await server.ok("POST", f"{IN_DEFAULT}/roles", role("reader", rule("pods", "get list")), token=token)
    await server.ok("POST", f"{IN_DEFAULT}/rolebindings", binding("reader", "reader"), token=token)
    await server.ok("POST", f"{IN_DEFAULT}/rolebindings", binding("viewer", "view", kind="ClusterRole"), token=token)
    await server.refused("POST", f"{RBAC}/clusterroles", role("x", kind="ClusterRole"), token=token)
    message = await server.refused(
        "POST", f"{IN_DEFAULT}/rolebindings", binding("all", "cluster-admin", kind="ClusterRole"), token=token
    )
    assert "is attempting to grant RBAC permissions not currently held:" in message
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in message


async def test_an_admin_of_everything_is_a_cluster_admin(server: Secured) -> None:
    token = await server.token("admin")
    await server.ok("GET", "/api/v1/nodes", token=token)
    await server.ok("POST", f"{RBAC}/clusterroles", role("x", rule("*", "*", "*"), kind="ClusterRole"), token=token)
    await server.ok("GET", "/k9lite/v1/tokens", token=token)


# Roles of one's own ----------------------------------------------------------------------------------
async def test_nothing_is_allowed_without_a_role(server: Secured, jane: Path) -> None:
    code, answer = await server.call("GET", f"{PODS}/x", certificate=jane)
    assert (code, answer["details"]) == (403, {"name": "x", "kind": "pods"})
    assert (
        answer["message"]
        == 'pods "x" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "default"'
    )
    assert (
        await server.refused("GET", "/nothing", certificate=jane)
    ) == 'forbidden: User "jane" cannot get path "/nothing"'
    assert (await server.call("GET", "/apis/no/v1/such", certificate=jane))[0] == 404
    for path in ("/api", "/apis", "/api/v1", "/openapi/v2"):
        assert (await server.call("GET", path, certificate=jane))[0] == 200


async def test_a_change_of_roles_is_in_force_at_once(server: Secured, jane: Path) -> None:
    await server.refused("GET", PODS, certificate=jane)
    await allow(server, rule("pods", "list"))
    await server.ok("GET", PODS, certificate=jane)
    await server.refused("GET", f"{PODS}?watch=true", certificate=jane)
    await server.ok("PUT", f"{IN_DEFAULT}/roles/janes", role("janes", rule("services", "list")))
    await server.refused("GET", PODS, certificate=jane)
    await server.ok("GET", "/api/v1/namespaces/default/services", certificate=jane)
    await server.ok("DELETE", f"{IN_DEFAULT}/roles/janes")
    message = await server.refused("GET", PODS, certificate=jane)
    assert message.endswith(': RBAC: role.rbac.authorization.k8s.io "janes" not found')
    await server.ok("DELETE", f"{IN_DEFAULT}/rolebindings/janes")
    assert "RBAC" not in await server.refused("GET", PODS, certificate=jane)


async def test_names_and_subresources(server: Secured, jane: Path) -> None:
    await server.ok("POST", PODS, POD)
    await allow(
        server, rule("pods", "get list watch", names="p"), rule("pods/log", "get"), rule("pods/status", "patch")
    )
    await server.ok("GET", f"{PODS}/p", certificate=jane)
    assert (await server.call("GET", f"{PODS}/q", certificate=jane))[0] == 403
    await server.refused("GET", PODS, certificate=jane)
    await server.ok("GET", f"{PODS}?fieldSelector=metadata.name%3Dp", certificate=jane)
    await server.ok("GET", f"{PODS}/p/log", certificate=jane)
    merge = {"Content-Type": "application/merge-patch+json"}
    await server.ok("PATCH", f"{PODS}/p/status", {"status": {"message": "x"}}, certificate=jane, headers=merge)
    message = await server.refused("PATCH", f"{PODS}/p", {}, certificate=jane, headers=merge)
    assert 'cannot patch resource "pods"' in message
    message = await server.refused("POST", f"{PODS}/p/eviction", {}, certificate=jane)
    assert 'cannot create resource "pods/eviction"' in message
    assert 'cannot deletecollection resource "pods"' in await server.refused("DELETE", PODS, certificate=jane)


async def test_groups_and_paths(server: Secured, jane: Path) -> None:
    await server.ok(
        "POST",
        f"{RBAC}/clusterroles",
        {**role("metrics", kind="ClusterRole"), "rules": [{"nonResourceURLs": ["/met*"], "verbs": ["get"]}]},
    )
    bound = binding("metrics", "metrics", kind="ClusterRole") | {"subjects": [{"kind": "Group", "name": "team"}]}
    await server.ok("POST", f"{RBAC}/clusterrolebindings", bound)
    assert (await server.call("GET", "/metrics", certificate=jane))[0] == 404  # let through, and not there
    await server.refused("POST", "/metrics", certificate=jane)


# Escalation ------------------------------------------------------------------------------------------
async def test_nobody_gives_what_he_does_not_have(server: Secured, jane: Path) -> None:
    await allow(
        server, rule("roles rolebindings", "create update get patch", "rbac.authorization.k8s.io"), rule("pods", "get")
    )
    path = f"{IN_DEFAULT}/roles"
    await server.ok("POST", path, role("less", rule("pods", "get", names="x")), certificate=jane)
    message = await server.refused("POST", path, role("more", rule("pods", "get delete")), certificate=jane)
    assert message == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["team" "system:authenticated"]) is '
        'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
    )
    await server.refused("PUT", f"{path}/less", role("less", rule("pods", "*")), certificate=jane)
    patch = {"rules": [rule("secrets", "get")]}
    await server.refused(
        "PATCH", f"{path}/less", patch, certificate=jane, headers={"Content-Type": "application/merge-patch+json"}
    )
    await server.ok(
        "PUT", f"{path}/less", role("less", rule("pods", "get", names="x"), labels={"a": "b"}), certificate=jane
    )
    assert (await server.ok("GET", f"{path}/less"))["rules"] == [rule("pods", "get", names="x")]


async def test_the_verbs_escalate_and_bind(server: Secured, jane: Path) -> None:
    group = "rbac.authorization.k8s.io"
    await allow(
        server, rule("roles rolebindings", "create escalate", group), rule("clusterroles", "bind", group, "view")
    )
    await server.ok("POST", f"{IN_DEFAULT}/roles", role("all", rule("*", "*", "*")), certificate=jane)
    await server.refused("POST", f"{IN_DEFAULT}/rolebindings", binding("all", "all"), certificate=jane)
    await server.ok("POST", f"{IN_DEFAULT}/rolebindings", binding("view", "view", kind="ClusterRole"), certificate=jane)
    code, answer = await server.call("POST", f"{IN_DEFAULT}/rolebindings", binding("none", "none"), certificate=jane)
    assert (code, answer["message"]) == (404, 'roles.rbac.authorization.k8s.io "none" not found')


# Kinds -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("roles", role("x", {"apiGroups": [""], "resources": ["pods"]}), "rules[0].verbs: Required value: verbs must contain at least one value"),
        ("roles", role("x", {"verbs": ["get"], "resources": ["pods"]}), "rules[0].apiGroups: Required value: resource rules must supply at least one api group"),
        ("roles", role("x", {"verbs": ["get"], "apiGroups": [""]}), "rules[0].resources: Required value: resource rules must supply at least one resource"),
        ("roles", role("x", {"verbs": ["get"], "nonResourceURLs": ["/x"]}), 'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'),
        ("roles", role("a/b"), "metadata.name: Invalid value: \"a/b\": may not be '.' or '..' and may not contain '/' or '%'"),
        ("rolebindings", binding("x", "y", kind="Pod"), 'roleRef.kind: Unsupported value: "Pod": supported values: "ClusterRole", "Role"'),
        ("rolebindings", binding("x", ""), "roleRef.name: Required value"),
        ("rolebindings", binding("x", "y") | {"subjects": [{"kind": "ServiceAccount", "name": "a"}]}, "subjects[0].namespace: Required value"),
        ("rolebindings", binding("x", "y") | {"subjects": [{"kind": "Robot", "name": "a"}]}, 'subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"'),
    ],
)  # fmt: skip
async def test_what_is_no_role_or_binding(server: Secured, path: str, body: Any, message: str) -> None:
    code, answer = await server.call("POST", f"{IN_DEFAULT}/{path}", body)
    assert code == 422
    assert message in answer["message"]


async def test_a_binding_keeps_its_role(server: Secured) -> None:
    made = await server.ok("POST", f"{IN_DEFAULT}/rolebindings", binding("x", "view", kind="ClusterRole"))
    made["roleRef"]["name"] = "edit"
    code, answer = await server.call("PUT", f"{IN_DEFAULT}/rolebindings/x", made)
    assert code == 422
    assert answer["message"] == (
        'RoleBinding.rbac.authorization.k8s.io "x" is invalid: roleRef: Invalid value: '
        'rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"ClusterRole", Name:"edit"}: cannot change roleRef'
    )


# Reviews ---------------------------------------------------------------------------------------------
async def test_access_reviews(server: Secured, jane: Path) -> None:
    await allow(server, rule("pods", "get"))
    asked = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    own = await server.ok("POST", f"{ACCESS}/selfsubjectaccessreviews", {"spec": asked}, certificate=jane)
    reason = 'RBAC: allowed by RoleBinding "janes/default" of Role "janes" to User "jane"'
    assert own["status"] == {"allowed": True, "reason": reason}
    other = await server.ok("POST", f"{ACCESS}/subjectaccessreviews", {"spec": {**asked, "user": "jane"}})
    assert other["status"] == own["status"]
    nobody = await server.ok("POST", f"{ACCESS}/subjectaccessreviews", {"spec": {**asked, "groups": ["g"]}})
    assert nobody["status"] == {"allowed": False}
    local = f"{ACCESS}/namespaces/default/localsubjectaccessreviews"
    assert (await server.ok("POST", local, {"spec": {**asked, "user": "jane"}}))["status"]["allowed"] is True
    for path, spec in (
        (local.replace("default", "kube-system"), {**asked, "user": "jane"}),
        (f"{ACCESS}/subjectaccessreviews", asked),
        (f"{ACCESS}/selfsubjectaccessreviews", {}),
    ):
        assert (await server.call("POST", path, {"spec": spec}))[0] == 422
    await server.refused(
        "POST", f"{ACCESS}/subjectaccessreviews", {"spec": {**asked, "user": "jane"}}, certificate=jane
    )
    assert (await server.call("GET", f"{ACCESS}/selfsubjectaccessreviews"))[0] == 405
    assert (await server.call("POST", "/apis/authorization.k8s.io/v1beta1/selfsubjectaccessreviews", {}))[0] == 404


async def test_rules_review(server: Secured, jane: Path) -> None:
    await allow(server, rule("pods", "get"))
    answer = await server.ok(
        "POST", f"{ACCESS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}, certificate=jane
    )
    assert rule("pods", "get") in answer["status"]["resourceRules"]
    assert any("/api/*" in each["nonResourceURLs"] for each in answer["status"]["nonResourceRules"])
    assert (await server.call("POST", f"{ACCESS}/selfsubjectrulesreviews", {"spec": {}}))[0] == 400
