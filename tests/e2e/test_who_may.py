"""Tokens, roles and reviews as people use them: `k9lite token` and unmodified kubectls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, every_kubectl, newest
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def as_token(shared: Cluster, version: str, *arguments: str) -> Kubectl:
    """A kubectl that knows nothing but the kubeconfig of a new token."""
    config = await shared.ok("token", "create", *arguments, "-o", "kubeconfig")
    kubectl = Kubectl(shared, version)
    path = kubectl.home / "token.kubeconfig"
    path.write_text(config)
    path.chmod(0o600)
    kubectl.environment["KUBECONFIG"] = str(path)
    return kubectl


@every_kubectl
async def test_a_view_token_looks_and_touches_nothing(shared: Cluster, version: str) -> None:
    kubectl = await as_token(shared, version, "--role", "view")
    assert "kubernetes" in await kubectl.ok("get", "services")
    forbidden = await kubectl.fails("delete", "service", "kubernetes")
    assert 'Error from server (Forbidden): services "kubernetes" is forbidden: User "k9lite:token:' in forbidden
    assert 'cannot delete resource "services" in API group "" in the namespace "default"' in forbidden
    assert 'cannot list resource "nodes" in API group "" at the cluster scope' in await kubectl.fails("get", "nodes")
    assert await kubectl.ok("auth", "can-i", "list", "pods", "-A") == "yes\n"
    assert (await kubectl.run("auth", "can-i", "get", "secrets")).stdout == "no\n"
    listed = await kubectl.ok("auth", "can-i", "--list")
    assert "deployments.apps" in listed
    assert "secrets" not in listed
    if kubectl.minor >= 28:  # which knows the review's v1
        assert "k9lite:token:" in await kubectl.ok("auth", "whoami")


@every_kubectl
async def test_roles_made_by_kubectl_are_in_force(shared: Cluster, version: str) -> None:
    admin, space = Kubectl(shared, version), f"space-{version}".replace(".", "-")
    await admin.ok("create", "namespace", space)
    inside = ("-n", space)
    await admin.ok("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps", *inside)
    await admin.ok(
        "create", "rolebinding", "reader", "--role=reader", "--user=jane", f"--serviceaccount={space}:robot", *inside
    )
    await admin.ok("create", "clusterrole", f"{space}-nodes", "--verb=list", "--resource=nodes")
    await admin.ok("create", "clusterrolebinding", f"{space}-nodes", f"--clusterrole={space}-nodes", "--group=ops")
    await admin.ok("create", "serviceaccount", "robot", *inside)
    assert await admin.ok("auth", "can-i", "list", "pods", "--as=jane", *inside) == "yes\n"
    assert (await admin.run("auth", "can-i", "delete", "pods", "--as=jane", *inside)).stdout == "no\n"
    assert (await admin.run("auth", "can-i", "list", "pods", "--as=jane", "-n", "default")).stdout == "no\n"
    assert (await admin.run("auth", "can-i", "list", "nodes", "--as=jane", "--as-group=ops")).stdout == "yes\n"
    token = (await admin.ok("create", "token", "robot", *inside)).strip()
    who = ("--token", token, "--kubeconfig", await _without_user(admin))
    if admin.minor >= 28:
        assert f"system:serviceaccount:{space}:robot" in await admin.ok("auth", "whoami", *who)
    assert await admin.ok("get", "pods", *inside, *who) == ""
    assert "is forbidden" in await admin.fails("get", "services,pods", "-n", "default", *who)
    wide = (await admin.ok("get", "rolebinding", "reader", "-o", "wide", *inside)).splitlines()
    assert wide[0].split() == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert "Role/reader" in wide[1]
    assert f"{space}/robot" in wide[1]
    described = await admin.ok("describe", "role", "reader", *inside)
    assert "deployments.apps" in described
    patched = await admin.fails(
        "patch", "rolebinding", "reader", "--type=merge", "-p", '{"roleRef":{"name":"x"}}', *inside
    )
    assert "cannot change roleRef" in patched
    await admin.ok("delete", "namespace", space)


async def _without_user(kubectl: Kubectl) -> str:
    """The administrator's kubeconfig without his certificate."""
    config = await kubectl.ok("config", "view", "--raw", "-o", "json")
    path = kubectl.home / "nobody.kubeconfig"
    import json

    content: dict[str, Any] = json.loads(config)
    content["users"] = [{"name": user["name"], "user": {}} for user in content["users"]]
    path.write_text(json.dumps(content))
    return str(path)


async def test_nobody_must_log_in(shared: Cluster) -> None:
    kubectl = Kubectl(shared, newest())
    who = ("--kubeconfig", await _without_user(kubectl))
    for more in (
        ("--token", "wrong"),
        ("--token", "k9lite_00000000_wrong"),
    ):  # without any, kubectl asks for a password
        assert "You must be logged in to the server (Unauthorized)" in await kubectl.fails("get", "pods", *who, *more)


async def test_tokens_are_listed_and_revoked(shared: Cluster) -> None:
    made = await shared.run("token", "create", "--role", "edit", "-n", "default", "--duration", "12h")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("k9lite_")
    identity = made.stdout.split("_")[1]
    assert f"Token {identity}: edit in namespace default, until " in made.stderr
    line = next(line for line in (await shared.ok("token", "list")).splitlines() if line.startswith(identity))
    assert line.split() == [identity, "edit", "default", "0s", "in", "11h"] or "in" in line
    kubectl = Kubectl(shared, newest())
    who = ("--token", made.stdout.strip(), "--kubeconfig", await _without_user(kubectl))
    await kubectl.ok("get", "pods", *who)
    assert await shared.ok("token", "delete", identity) == f"token {identity} deleted\n"
    assert "Unauthorized" in await kubectl.fails("get", "pods", *who)
    assert identity not in await shared.ok("token", "list")
    assert (await shared.run("token", "delete", identity)).stderr == f'Error: token "{identity}" not found\n'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create",), "which role? --role admin|edit|view"),
        (("create", "--role", "root"), "invalid choice: 'root'"),
        (("create", "--role", "view", "--duration", "soon"), "is no duration"),
        (("create", "--role", "view", "-n", "absent"), 'namespaces "absent" not found'),
        (("delete",), "which token?"),
        (("delete", "../status"), "is not the id of a token"),
    ],
)
async def test_mistakes_are_said(shared: Cluster, arguments: tuple[str, ...], message: str) -> None:
    done = await shared.run("token", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


async def test_kubeconfig_merges_into_what_is_there(shared: Cluster) -> None:
    kubectl = Kubectl(shared, newest())
    path = kubectl.home / "mine.kubeconfig"
    path.write_text("# mine\nclusters:\n- name: other\n  cluster: {server: https://other.example}\n")
    listed = f"{kubectl.home / 'absent'}:{path}"
    done = await shared.run("kubeconfig", "--merge", KUBECONFIG=listed)
    assert done.stdout == f"Merged context k9lite into {path}\n", done.stderr
    assert path.read_text().startswith("# mine\n")
    assert "kubernetes" in await kubectl.ok("get", "services", "--context", "k9lite", KUBECONFIG=str(path))
    await kubectl.ok("config", "set-context", "k9lite", "--namespace=kube-system", KUBECONFIG=str(path))
    again = await shared.run("kubeconfig", "--merge", KUBECONFIG=listed)
    assert again.returncode == 0, "kubectl kept the mark of our entries"
    assert "kube-system" in await kubectl.ok("config", "get-contexts", KUBECONFIG=str(path))
    assert "other" in await kubectl.ok("config", "view", KUBECONFIG=str(path))
