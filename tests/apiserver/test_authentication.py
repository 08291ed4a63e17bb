"""Who is let in, and what strangers are told."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import aiohttp
import pytest

from k9lite.apiserver.certificates import Certificates
from tests.apiserver.secured import Secured

PODS = "/api/v1/namespaces/default/pods"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def who_is(server: Secured, **who: object) -> dict[str, object]:
    answer = await server.ok("POST", WHO, {"kind": "SelfSubjectReview"}, **who)
    info: dict[str, object] = answer["status"]["userInfo"]
    return info


async def test_certificates_say_user_and_groups(server: Secured) -> None:
    jane = server.certificate("jane", "team-a", "team-b")
    info = await who_is(server, certificate=jane)
    assert info == {"username": "jane", "groups": ["team-a", "team-b", "system:authenticated"]}
    assert (await who_is(server))["username"] == "kubernetes-admin"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
async def test_health_and_version_are_for_everyone(server: Secured, path: str) -> None:
    assert (await server.call("GET", path, token=""))[0] == 200


@pytest.mark.parametrize("path", [PODS, "/api", "/apis", "/openapi/v2", "/k9lite/v1/status", "/nothing"])
async def test_nobody_is_refused_everywhere_else(server: Secured, path: str) -> None:
    code, answer = await server.call("GET", path, token="")
    assert (code, answer["reason"], answer["message"]) == (401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize("token", ["x", "k9lite_", "k9lite_00000000_x", "a.b.c", "é", "."])
async def test_tokens_that_are_none(server: Secured, token: str) -> None:
    assert (await server.call("GET", PODS, token=token))[0] == 401


@pytest.mark.parametrize("days", [1, -1])
async def test_certificates_of_another_authority_or_time_do_not_get_through(
    server: Secured, tmp_path: Path, days: int
) -> None:
    other = tmp_path / "other"
    Certificates(other)
    impostor = server.certificate(
        "kubernetes-admin", "system:masters", ca=other / "ca" if days > 0 else None, days=days
    )
    with pytest.raises(aiohttp.ClientError):
        await server.call("GET", PODS, certificate=impostor)


async def test_a_token_of_a_role(server: Secured) -> None:
    made = await server.ok("POST", "/k9lite/v1/tokens", {"role": "view", "seconds": 600})
    token = made.pop("token")
    assert await server.ok("GET", "/k9lite/v1/tokens") == {"items": [made]}
    assert (await server.ok("GET", PODS, token=token))["items"] == []
    assert (await who_is(server, token=token))["username"] == f"k9lite:token:{made['id']}"
    file = server.directory / "tokens.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token.split("_", 2)[2] not in file.read_text()
    await server.clock.advance(599)
    assert (await server.call("GET", PODS, token=token))[0] == 200
    await server.clock.advance(1)
    assert (await server.call("GET", PODS, token=token))[0] == 401


async def test_a_deleted_token_is_refused_at_once_and_leaves_no_binding(server: Secured) -> None:
    token = await server.token("edit", "default")
    bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
    (binding,) = (await server.ok("GET", bindings))["items"]
    assert binding["roleRef"]["name"] == "edit"
    identity = binding["metadata"]["labels"]["k9lite.io/token"]
    await server.ok("DELETE", f"/k9lite/v1/tokens/{identity}")
    assert (await server.call("GET", PODS, token=token))[0] == 401
    assert (await server.ok("GET", bindings))["items"] == []
    assert (await server.call("DELETE", f"/k9lite/v1/tokens/{identity}"))[0] == 404


async def test_tokens_are_for_the_administrator_to_make(server: Secured) -> None:
    token = await server.token("admin", "default")
    message = await server.refused("POST", "/k9lite/v1/tokens", {"role": "admin"}, token=token)
    assert 'cannot post path "/k9lite/v1/tokens"' in message
    await server.refused("POST", "/k9lite/v1/shutdown", {}, token=token)
    assert (await server.ok("GET", "/k9lite/v1/status", token=token))["version"] == "test"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"role": "root"}, 422),
        ({}, 422),
        ([], 400),
        ({"role": "view", "seconds": -1}, 400),
        ({"role": "view", "namespace": "absent"}, 404),
    ],
)
async def test_wrong_wishes_for_tokens(server: Secured, body: object, code: int) -> None:
    assert (await server.call("POST", "/k9lite/v1/tokens", body))[0] == code
    assert (await server.ok("GET", "/k9lite/v1/tokens"))["items"] == []


async def test_a_damaged_token_file_is_said_and_lets_nobody_in(server: Secured) -> None:
    (server.directory / "tokens.json").write_text("{")
    code, answer = await server.call("GET", PODS, token="k9lite_aa_bb")
    assert code == 500
    assert "tokens.json" in answer["message"]


# Service accounts ------------------------------------------------------------------------------------
async def account(server: Secured, name: str = "robot") -> None:
    await server.ok("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}})


async def test_a_service_account_token(server: Secured) -> None:
    await account(server)
    token = await server.service_token("default", "robot", expirationSeconds=600)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == "system:serviceaccount:default:robot"
    assert claims["exp"] - claims["iat"] == 600
    info = await who_is(server, token=token)
    assert info["username"] == "system:serviceaccount:default:robot"
    assert info["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    assert stat.S_IMODE((server.directory / "pki/sa.key").stat().st_mode) == 0o600
    message = await server.refused("GET", PODS, token=token)
    assert message == (
        'pods is forbidden: User "system:serviceaccount:default:robot" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    await server.clock.advance(600)
    assert (await server.call("GET", PODS, token=token))[0] == 401


async def test_a_token_ends_with_its_account(server: Secured) -> None:
    await account(server)
    token = await server.service_token("default", "robot")
    path = "/api/v1/namespaces/default/serviceaccounts/robot"
    await server.ok("DELETE", path)
    assert (await server.call("POST", WHO, {}, token=token))[0] == 401
    await account(server)
    assert (await server.call("POST", WHO, {}, token=token))[0] == 401


async def test_a_token_ends_with_the_pod_it_is_bound_to(server: Secured) -> None:
    await account(server)
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    made = await server.ok("POST", PODS, pod)
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    token = await server.service_token("default", "robot", boundObjectRef=bound)
    extra = (await who_is(server, token=token))["extra"]
    assert isinstance(extra, dict)
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    await server.ok("DELETE", f"{PODS}/p")
    assert (await server.call("POST", WHO, {}, token=token))[0] == 401
    code, answer = await server.call(
        "POST", "/api/v1/namespaces/default/serviceaccounts/robot/token", {"spec": {"boundObjectRef": bound}}
    )
    assert (code, answer["message"]) == (404, 'pods "p" not found')


async def test_wishes_for_tokens_that_are_refused(server: Secured) -> None:
    await account(server)
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    code, answer = await server.call("POST", path, {"spec": {"expirationSeconds": 10}})
    assert code == 422
    assert (
        "spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"
        in answer["message"]
    )
    assert (await server.call("POST", path.replace("robot", "absent"), {"spec": {}}))[0] == 404
    assert (await server.call("GET", path))[0] == 405


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_changed_token_is_none(server: Secured, part: int) -> None:
    await account(server)
    parts = (await server.service_token("default", "robot")).split(".")
    parts[part] = ("B" if parts[part][4] != "B" else "C").join((parts[part][:4], parts[part][5:]))
    assert (await server.call("POST", WHO, {}, token=".".join(parts)))[0] == 401


async def test_token_review(server: Secured) -> None:
    await account(server)
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    token = await server.service_token("default", "robot", audiences=["vault"])

    async def review(**spec: object) -> dict[str, object]:
        answer = await server.ok("POST", path, {"spec": spec})
        status: dict[str, object] = answer["status"]
        return status

    assert (await review(token=token, audiences=["vault"]))["authenticated"] is True
    assert await review(token=token) == {"user": {}, "error": "invalid bearer token"}  # not for this server
    assert "authenticated" not in await review(token="x")
    assert (await server.call("POST", path, {"spec": {}}))[0] == 422
    assert (await server.call("POST", WHO, {}, token=token))[0] == 401


# Where requests come from ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:{port}", "[::1]:{port}", "K9lite.Example", "kubernetes.default.svc"]
)
async def test_names_of_the_server(server: Secured, host: str) -> None:
    assert (await server.call("GET", PODS, headers={"Host": host.format(port=server.port)}))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example:6445"}, {"Origin": "https://page.example"}, {"Origin": "null"}, {"Origin": "http://["}],
)
@pytest.mark.parametrize("path", [PODS, "/version", "/k9lite/v1/status"])
async def test_web_pages_and_other_names_are_refused(server: Secured, headers: dict[str, str], path: str) -> None:
    await server.refused("GET", path, headers=headers)


async def test_the_certificate_follows_the_names(tmp_path: Path) -> None:
    Certificates(tmp_path)
    first = (tmp_path / "server.crt").read_bytes()
    Certificates(tmp_path, ("localhost", "::1"))
    assert (tmp_path / "server.crt").read_bytes() == first
    Certificates(tmp_path, ("k9lite.example", "10.1.2.3"))
    second = (tmp_path / "server.crt").read_bytes()
    assert second != first
    Certificates(tmp_path, ("10.1.2.3", "K9lite.example"))
    assert (tmp_path / "server.crt").read_bytes() == second


# Acting for others -----------------------------------------------------------------------------------
async def test_impersonation(server: Secured) -> None:
    as_jane = {"Impersonate-User": "jane", "Impersonate-Group": "team"}
    assert await who_is(server, headers=as_jane) == {"username": "jane", "groups": ["team", "system:authenticated"]}
    assert 'User "jane" cannot list' in await server.refused("GET", PODS, headers=as_jane)
    token = await server.token("edit", "default")
    message = await server.refused("GET", PODS, token=token, headers={"Impersonate-User": "kubernetes-admin"})
    assert 'cannot impersonate resource "users" in API group "" at the cluster scope' in message
    robot = {"Impersonate-User": "system:serviceaccount:default:robot"}
    assert (await who_is(server, token=token, headers=robot))["username"] == robot["Impersonate-User"]
    masters = {**robot, "Impersonate-Group": "system:masters"}
    assert 'resource "groups"' in await server.refused("GET", PODS, token=token, headers=masters)
    assert (await server.call("GET", PODS, headers={"Impersonate-Group": "team"}))[0] == 400
