"""kubectl's other commands, with its words."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from k9lite.api.catalog import DEPLOYMENTS, PODS, REPLICASETS
from k9lite.api.objects import Obj
from k9lite.cli.context import UsageError
from k9lite.cli.main import run
from k9lite.cli.wait import check_of
from k9lite.client import jsonpath
from k9lite.client.progress import progress
from tests.cli.conftest import Command
from tests.client.test_client import pod
from tests.support.server import Server
from tests.support.wait import eventually


async def deployed(server: Server, name: str = "web", **spec: Any) -> Obj:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod("x")["spec"]}
    return await server.client.create(
        DEPLOYMENTS,
        "default",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        },
    )


async def replica_set(server: Server, owner: Obj, revision: int, image: str, cause: str = "") -> None:
    """A revision of a Deployment, as the controller leaves it."""
    name = owner["metadata"]["name"]
    labels = {"app": name, "pod-template-hash": f"h{revision}"}
    annotations = {"deployment.kubernetes.io/revision": str(revision)}
    if cause:
        annotations["kubernetes.io/change-cause"] = cause
    container = {**pod("x")["spec"]["containers"][0], "image": image}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": owner["metadata"]["uid"]}
    await server.client.create(
        REPLICASETS,
        "default",
        {
            "metadata": {
                "name": f"{name}-h{revision}", "labels": labels, "annotations": annotations,
                "ownerReferences": [{**reference, "controller": True}],
            },
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    )  # fmt: skip


# label, annotate -----------------------------------------------------------------------------------------
async def test_labels_are_set_kept_replaced_and_removed(command: Command, server: Server) -> None:
    await server.client.create(PODS, "default", pod("a", app="x"))
    await server.client.create(PODS, "default", pod("b", app="x"))
    assert await command("label", "pod", "a", "tier=front") == (0, "pod/a labeled\n", "")
    assert await command("label", "pod", "a", "tier=front") == (0, "pod/a not labeled\n", "")
    assert await command("label", "pod", "a", "tier=back") == (
        1, "", "Error: 'tier' already has a value (front), and --overwrite is false\n",
    )  # fmt: skip
    assert (await command("label", "pod/a", "tier=back", "--overwrite"))[1] == "pod/a labeled\n"
    assert (await command("label", "pods", "--all", "tier-"))[1] == (
        'pod/a unlabeled\nlabel "tier" not found.\npod/b not labeled\n'
    )
    assert (await command("label", "pods", "-l", "app=x", "zone=1", "-o", "name"))[1] == "pod/a\npod/b\n"
    assert (await command("label", "pod", "b", "--list"))[1] == "app=x\nzone=1\n"
    assert (await command("label", "pod", "b", "zone-", "--dry-run=server"))[1] == "pod/b unlabeled (server dry run)\n"
    assert (await server.client.get(PODS, "default", "b"))["metadata"]["labels"] == {"app": "x", "zone": "1"}


async def test_annotations_likewise(command: Command, server: Server) -> None:
    await server.client.create(PODS, "default", pod("a"))
    assert (await command("annotate", "pod", "a", "note=some words"))[1] == "pod/a annotated\n"
    code, _, err = await command("annotate", "pod", "a", "note=others")
    assert code == 1
    assert "declared annotation(s): 'note' already has a value (some words)" in err
    assert (await command("annotate", "pod", "a", "note-"))[1] == "pod/a annotated\n"
    assert not (await server.client.get(PODS, "default", "a"))["metadata"].get("annotations")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("label", "pod", "a"), "at least one label update is required"),
        (("label", "pod", "a", "b=c", "b-"), "can not both modify and remove"),
        (("label", "pods", "b=c"), "no name was specified"),
        (("label", "b=c"), "You must specify the type of resource"),
        (("annotate", "pod", "a", "b=c", "d"), "must be specified before annotation changes: d"),
        (("label", "pod", "absent", "b=c"), 'pods "absent" not found'),
        (("patch", "pod", "a"), "must specify --patch or --patch-file"),
        (("patch", "pod", "a", "-p", "[1]"), "a strategic patch is a mapping"),
        (("patch", "pod", "a", "-p", "{", "--type=merge"), "unable to parse the patch"),
        (("patch", "pod", "a", "--patch-file", "/nonexistent"), "unable to read patch file"),
        (("set", "image", "deploy/web"), "at least one image update is required"),
        (("wait", "pod", "a", "--for=whatever"), 'unrecognized condition: "whatever"'),
        (("wait", "pods", "-l", "a=none", "--for=condition=Ready"), "no matching resources found"),
        (("wait", "pod", "a", "--for=delete", "--timeout=soon"), "write it as 30s"),
        (("run", "x"), "--image is required"),
        (("run", "x", "--image=host"), "put it after --"),
        (("run", "x", "--image=i", "--env", "A"), "must be NAME=VALUE"),
        (("rollout", "undo", "pod/a"), "is known for deployments"),
        (("rollout", "status", "rs/a"), "not found"),
        (("config", "use-context", "nowhere"), 'no context exists with the name: "nowhere"'),
        (("config", "use-context"), "takes the name of one context"),
    ],
)
async def test_mistakes_are_explained(command: Command, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = await command(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert words in err


# patch, set image ----------------------------------------------------------------------------------------
async def test_patches(command: Command, server: Server, tmp_path: Path) -> None:
    await deployed(server)
    merge = ("--type=merge", "-p")
    assert (await command("patch", "deploy", "web", *merge, '{"spec":{"replicas":2}}'))[1] == (
        "deployment.apps/web patched\n"
    )
    assert (await command("patch", "deploy/web", *merge, "spec: {replicas: 2}"))[1] == (
        "deployment.apps/web patched (no change)\n"
    )
    operations = tmp_path / "patch.yaml"
    operations.write_text("- {op: replace, path: /spec/replicas, value: 5}\n")
    out = (await command("patch", "deploy/web", "--type=json", "--patch-file", str(operations), "-o", "json"))[1]
    assert json.loads(out)["spec"]["replicas"] == 5
    await command("patch", "deploy/web", "--subresource=scale", *merge, "spec: {replicas: 7}")
    assert (await server.client.get(DEPLOYMENTS, "default", "web"))["spec"]["replicas"] == 7


async def test_images_are_set_by_container(command: Command, server: Server) -> None:
    await deployed(server)
    await server.client.create(PODS, "default", pod("a"))
    assert await command("set", "image", "deployment/web", "c=nginx:2") == (
        0, "deployment.apps/web image updated\n", "",
    )  # fmt: skip
    assert await command("set", "image", "deployment/web", "c=nginx:2") == (0, "", "")
    assert (await command("set", "image", "deploy/web", "pod/a", "*=nginx:3"))[1] == (
        "deployment.apps/web image updated\npod/a image updated\n"
    )
    assert (await command("set", "image", "deploy", "web", "other=x"))[2] == (
        'Error: unable to find container named "other"\n'
    )
    found = await server.client.get(DEPLOYMENTS, "default", "web")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:3"
    assert found["spec"]["template"]["spec"]["containers"][0]["command"] == ["true"]


# rollout -------------------------------------------------------------------------------------------------
async def test_history_undo_pause_resume_and_restart(command: Command, server: Server) -> None:
    owner = await deployed(server)
    await replica_set(server, owner, 1, "one", cause="first try")
    await replica_set(server, owner, 10, "host")
    await replica_set(server, owner, 2, "two")
    assert (await command("rollout", "history", "deploy/web"))[1] == (
        "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         first try\n2         <none>\n10        <none>\n\n"
    )
    out = (await command("rollout", "history", "deploy/web", "--revision=2"))[1]
    assert out.startswith("deployment.apps/web with revision #2\nPod Template:\n  Labels:")
    assert "Image:" in out
    assert (await command("rollout", "history", "deploy/web", "--revision=9"))[2] == (
        "Error: unable to find the specified revision\n"
    )
    assert (await command("rollout", "undo", "deploy/web"))[1] == "deployment.apps/web rolled back\n"
    template = (await server.client.get(DEPLOYMENTS, "default", "web"))["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "two"
    assert template["metadata"]["labels"] == {"app": "web"}
    assert (await command("rollout", "undo", "deploy/web", "--to-revision=2"))[1] == (
        "deployment.apps/web skipped rollback (current template already matches revision 2)\n"
    )
    assert (await command("rollout", "undo", "deploy/web", "--to-revision=1"))[1] == "deployment.apps/web rolled back\n"
    annotations = (await server.client.get(DEPLOYMENTS, "default", "web"))["metadata"]["annotations"]
    assert annotations["kubernetes.io/change-cause"] == "first try"
    assert (await command("rollout", "undo", "deploy/web", "--to-revision=7"))[2] == (
        "Error: unable to find specified revision 7 in history\n"
    )
    assert (await command("rollout", "pause", "deploy", "web"))[1] == "deployment.apps/web paused\n"
    assert (await command("rollout", "pause", "deploy", "web"))[2] == (
        'Error: deployments.apps "web" is already paused\n'
    )
    assert "cannot rollback a paused deployment" in (await command("rollout", "undo", "deploy/web"))[2]
    assert "can't restart paused deployment" in (await command("rollout", "restart", "deploy/web"))[2]
    assert (await command("rollout", "resume", "deploy", "web"))[1] == "deployment.apps/web resumed\n"
    assert (await command("rollout", "resume", "deploy", "web"))[2] == 'Error: deployments.apps "web" is not paused\n'
    assert (await command("rollout", "restart", "deploy/web"))[1] == "deployment.apps/web restarted\n"
    await deployed(server, "new")
    assert "no rollout history found" in (await command("rollout", "undo", "deploy/new"))[2]


async def test_a_status_that_takes_too_long_ends(command: Command, server: Server) -> None:
    await deployed(server)
    code, out, err = await command("rollout", "status", "deploy/web", "--timeout=100ms")
    assert (code, err) == (1, "Error: timed out waiting for the condition\n")
    assert out == "Waiting for deployment spec update to be observed...\n"


STATEFUL = {"kind": "StatefulSet", "metadata": {"name": "db", "generation": 2}, "spec": {"replicas": 3}}
DAEMON = {"kind": "DaemonSet", "metadata": {"name": "ds", "generation": 1}, "spec": {}}


@pytest.mark.parametrize(
    ("obj", "status", "expected"),
    [
        (STATEFUL, {"observedGeneration": 1}, ("Waiting for statefulset spec update to be observed...", False)),
        (STATEFUL, {"observedGeneration": 2, "readyReplicas": 1}, ("Waiting for 2 pods to be ready...", False)),
        (
            STATEFUL,
            {
                "observedGeneration": 2,
                "readyReplicas": 3,
                "updatedReplicas": 1,
                "updateRevision": "b",
                "currentRevision": "a",
            },
            ("waiting for statefulset rolling update to complete 1 pods at revision b...", False),
        ),
        (
            STATEFUL,
            {
                "observedGeneration": 2,
                "readyReplicas": 3,
                "currentReplicas": 3,
                "updateRevision": "b",
                "currentRevision": "b",
            },
            ("statefulset rolling update complete 3 pods at revision b...", True),
        ),
        (
            DAEMON,
            {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1},
            ('Waiting for daemon set "ds" rollout to finish: 1 out of 2 new pods have been updated...', False),
        ),
        (
            DAEMON,
            {"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
            ('daemon set "ds" successfully rolled out', True),
        ),
    ],
)
def test_how_far_a_rollout_is(obj: Obj, status: Obj, expected: tuple[str, bool]) -> None:
    assert progress({**obj, "status": status}) == expected


# run -----------------------------------------------------------------------------------------------------
async def test_one_pod_is_run(command: Command, server: Server) -> None:
    assert await command("run", "one", "--image=host", "--restart=Never", "--env", "A=b", "--", "sleep", "5") == (
        0, "pod/one created\n", "",
    )  # fmt: skip
    made = await server.client.get(PODS, "default", "one")
    assert made["metadata"]["labels"] == {"run": "one"}
    assert made["spec"]["restartPolicy"] == "Never"
    container = made["spec"]["containers"][0]
    assert (container["command"], container["env"]) == (["sleep", "5"], [{"name": "A", "value": "b"}])
    out = (await command("run", "two", "--image=nginx", "--port=80", "-l", "a=b", "--dry-run=client", "-o", "yaml",
                         "--", "x"))[1]  # fmt: skip
    assert out == (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    a: b\n  name: two\nspec:\n  containers:\n  - args:\n"
        "    - x\n    image: nginx\n    name: two\n    ports:\n    - containerPort: 80\n    resources: {}\n"
        "  dnsPolicy: ClusterFirst\n  restartPolicy: Always\nstatus: {}\n"
    )


# wait ----------------------------------------------------------------------------------------------------
async def test_waiting_for_a_condition_a_value_a_birth_and_an_end(command: Command, server: Server) -> None:
    await server.client.create(PODS, "default", pod("a", app="x"))

    async def later(change: Any) -> None:
        await eventually(lambda: server.registry.store._watches)  # the command follows changes by now
        await change

    async def quiet() -> None:
        await eventually(lambda: not server.registry.store._watches)  # the one before has let go

    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    patched = server.client.patch(PODS, "default", "a", ready, subresource="status")
    waited, _ = await asyncio.gather(command("wait", "pod/a", "--for=condition=ready"), later(patched))
    assert waited == (0, "pod/a condition met\n", "")
    assert (await command("wait", "pods", "-l", "app=x", "--for=jsonpath={.status.phase}=Running"))[1] == (
        "pod/a condition met\n"
    )
    await quiet()
    born, _ = await asyncio.gather(
        command("wait", "pod/b", "--for=create"), later(server.client.create(PODS, "default", pod("b")))
    )
    assert born == (0, "pod/b condition met\n", "")
    deleted = server.client.delete(PODS, "default", "b", grace_seconds=0)
    await quiet()
    gone, _ = await asyncio.gather(command("wait", "pod/b", "--for=delete"), later(deleted))
    assert gone == (0, "pod/b condition met\n", "")
    assert await command("wait", "pod/b", "--for=delete") == (0, "", "")
    assert await command("wait", "pod/a", "--for=condition=Nice", "--timeout=100ms") == (
        1, "", "Error: timed out waiting for the condition on pods/a\n",
    )  # fmt: skip
    assert (await command("wait", "pod/a", "--for=condition=Ready=false", "--timeout=0s"))[0] == 1


@pytest.mark.parametrize(
    ("what", "obj", "expected"),
    [
        ("condition=Ready", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, True),
        ("condition=Ready=False", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, True),
        (
            "condition=Available",
            {
                "metadata": {"generation": 3},
                "status": {"observedGeneration": 2, "conditions": [{"type": "Available", "status": "True"}]},
            },
            False,
        ),
        ("jsonpath={.a.b[0].c}=4", {"a": {"b": [{"c": 4}]}}, True),
        ("jsonpath={.a}", {"a": 1}, True),
        ("jsonpath={.a}", {}, False),
        ("jsonpath=.a=true", {"a": True}, True),
        ("jsonpath='{.a}'=x", None, None),
        ("delete", None, True),
        ("create", None, False),
    ],
)
def test_what_is_waited_for(what: str, obj: Obj | None, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(UsageError):
            check_of(what)
    else:
        assert check_of(what)(obj) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("{.a.b}", [1]), ("{.list[*].x}", [1, 2]), ("{.list[-1].x}", [2]), ("{.labels['a.b/c']}", ["y"]),
        ("{.labels.a\\.b/c}", ["y"]), ("{.none.x}", []), ("$.a.b", [1]), ("a.b", [1]),
    ],
)  # fmt: skip
def test_paths(path: str, expected: list[Any]) -> None:
    obj = {"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}], "labels": {"a.b/c": "y"}}
    assert jsonpath.values(obj, jsonpath.parse(path)) == expected


@pytest.mark.parametrize("path", ["{.a[?(@.b==1)]}", "{range .a}", "{}", "{.a[}", "{.a b}"])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(jsonpath.JsonPathError):
        jsonpath.parse(path)


# edit ----------------------------------------------------------------------------------------------------
def editor(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = directory / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("KUBE_EDITOR", str(path))


async def test_an_object_is_edited_until_the_server_takes_it(
    command: Command, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed(server)
    seen = tmp_path / "seen"
    editor(
        tmp_path,
        monkeypatch,
        f'grep "^#" "$1" >> {seen}\n'
        f'if [ -e {tmp_path}/again ]; then sed -i "s/replicas: -1/replicas: 4/" "$1"; '
        f'else touch {tmp_path}/again; sed -i "s/replicas: 1/replicas: -1/" "$1"; fi',
    )
    assert await command("edit", "deploy", "web") == (0, "deployment.apps/web edited\n", "")
    assert "must be greater than or equal to 0" in seen.read_text()
    assert (await server.client.get(DEPLOYMENTS, "default", "web"))["spec"]["replicas"] == 4


async def test_an_unchanged_object_stays(
    command: Command, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed(server)
    editor(tmp_path, monkeypatch, "true")
    assert await command("edit", "deploy/web") == (0, "", "Edit cancelled, no changes made.\n")
    editor(tmp_path, monkeypatch, "exit 3")
    assert "problem with the editor" in (await command("edit", "deploy/web"))[2]
    monkeypatch.setenv("KUBE_EDITOR", "no-such-editor")
    assert 'unable to launch the editor "no-such-editor"' in (await command("edit", "deploy/web"))[2]


# api-resources, api-versions, cluster-info, config ---------------------------------------------------------
async def test_what_the_server_has(command: Command, server: Server) -> None:
    lines = (await command("api-resources", "--api-group=apps"))[1].splitlines()
    assert lines[0].split() == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in [line.split() for line in lines]
    names = (await command("api-resources", "-o", "name", "--namespaced=false", "--verbs=list,watch"))[1].split()
    assert {"nodes", "namespaces"} <= set(names)
    assert "pods" not in names
    wide = (await command("api-resources", "-o", "wide", "--categories=all", "--no-headers", "--sort-by=kind"))[1]
    assert any(line.split()[-1] == "all" for line in wide.splitlines())
    versions = (await command("api-versions"))[1].splitlines()
    assert versions == sorted(versions)
    assert {"v1", "apps/v1"} <= set(versions)
    assert (await command("cluster-info"))[1] == (
        f"Kubernetes control plane is running at http://127.0.0.1:{server.port}\n"
    )


CONFIG = """# my clusters
current-context: eu  # the nearest
contexts:
- {name: us, context: {cluster: c, user: u}}
- {name: eu, context: {cluster: c, namespace: shop}}
clusters: [{name: c, cluster: {server: 'http://c'}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


def test_contexts_are_listed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "get-contexts"]) == 0
    assert capsys.readouterr().out == (
        "CURRENT   NAME     CLUSTER   AUTHINFO   NAMESPACE\n"
        "*         eu       c                    shop\n"
        "          k9lite   k9lite    k9lite     \n"
        "          us       c         u          \n"
    )
    assert run(["config", "get-contexts", "-o", "name", "us"]) == 0
    assert capsys.readouterr().out == "us\n"
    assert run(["config", "get-contexts", "xx"]) == 1
    assert "context xx not found" in capsys.readouterr().err
    assert run(["config", "current-context"]) == 0
    assert capsys.readouterr().out == "eu\n"


def test_another_context_is_used_and_nothing_else_changes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "use-context", "us"]) == 0
    assert capsys.readouterr().out == 'Switched to context "us".\n'
    assert config.read_text() == CONFIG.replace("current-context: eu  # the nearest", "current-context: us")
    assert config.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in config.parent.iterdir()] == ["config"]


def test_a_file_without_a_current_context_gets_one_and_a_json_file_stays_as_it_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(CONFIG.replace("current-context: eu  # the nearest\n", ""))
    assert run(["config", "current-context"]) == 1
    assert run(["config", "use-context", "eu"]) == 0
    assert config.read_text().endswith("\ncurrent-context: eu\n")
    text = '{"current-context": "a", "contexts": [{"name": "b", "context": {}}]}'
    config.write_text(text)
    assert run(["config", "use-context", "b"]) == 1
    assert "set current-context by hand" in capsys.readouterr().err
    assert config.read_text() == text
