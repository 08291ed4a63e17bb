"""What users of Python's client libraries do first, as a program: `python -m tests.support.python_clients LIBRARY FILE`.

A process of its own for each, because the libraries leave connections open when they are done.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.wait import eventually


def deployment(name: str) -> dict[str, Any]:
    """One that says `hello NAME` and serves HTTP on its port 8000."""
    labels = {"app": name}
    script = f"echo hello {name}; exec python3 -m http.server --bind 127.0.0.1 $PORT > /dev/null 2>&1"
    container = {
        "name": "main",
        "image": "host",
        "command": ["sh", "-c", script],
        "ports": [{"containerPort": 8000}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def use_kubernetes(kubeconfig: Path) -> None:
    from kubernetes import client, config, watch

    config.load_kube_config(str(kubeconfig))
    with client.ApiClient() as connection:
        core, apps = client.CoreV1Api(connection), client.AppsV1Api(connection)
        assert client.VersionApi(connection).get_code().major == "1"
        made = apps.create_namespaced_deployment("default", deployment("typed"))
        assert made.metadata.uid
        assert made.spec.template.spec.restart_policy == "Always"

        names = []
        watcher = watch.Watch()
        for event in watcher.stream(
            core.list_namespaced_pod, "default", label_selector="app=typed", timeout_seconds=30
        ):
            names.append(event["object"].metadata.name)
            if any(each.type == "Ready" and each.status == "True" for each in event["object"].status.conditions or []):
                watcher.stop()
        assert len(set(names)) == 1

        patch = [{"op": "add", "path": "/metadata/labels", "value": {"patched": "yes"}}]
        patched = apps.patch_namespaced_deployment("typed", "default", patch)
        assert patched.metadata.labels == {"patched": "yes"}
        named = client.V1ObjectMeta(name="typed")
        assert core.create_namespaced_config_map(
            "default", client.V1ConfigMap(metadata=named, data={"a": "b"})
        ).data == {"a": "b"}
        secret = core.create_namespaced_secret("default", client.V1Secret(metadata=named, string_data={"a": "b"}))
        assert secret.data == {"a": "Yg=="}
        core.delete_collection_namespaced_config_map("default", field_selector="metadata.name=typed")
        core.delete_namespaced_secret("typed", "default")
        service = core.read_namespaced_service("kubernetes", "default")
        service.metadata.labels["changed"] = "yes"
        assert core.replace_namespaced_service("kubernetes", "default", service).metadata.labels["changed"] == "yes"
        with pytest.raises(client.ApiException) as conflict:
            core.replace_namespaced_service("kubernetes", "default", service)
        assert conflict.value.status == 409
        apps.patch_namespaced_deployment_scale(
            "typed", "default", [{"op": "replace", "path": "/spec/replicas", "value": 2}]
        )
        assert apps.read_namespaced_deployment_scale("typed", "default").spec.replicas == 2

        assert "hello typed" in _log_of(core, names[0])
        _exec_and_forward(core, names[0])
        ports = [client.V1ServicePort(port=80)]
        service = client.V1Service(
            metadata=client.V1ObjectMeta(name="typed"),
            spec=client.V1ServiceSpec(ports=ports, selector={"app": "typed"}),
        )
        assert core.create_namespaced_service("default", service).spec.cluster_ip
        assert core.delete_namespaced_service("typed", "default").metadata.name == "typed"
        page = core.list_namespace(limit=2)
        rest = core.list_namespace(limit=100, _continue=page.metadata._continue)
        assert len(page.items) == 2
        assert not {item.metadata.name for item in page.items} & {item.metadata.name for item in rest.items}
        assert core.delete_namespaced_pod(names[0], "default", grace_period_seconds=0).metadata.name == names[0]
        strategic = {
            "spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "b"}]}]}}}
        }
        container = apps.patch_namespaced_deployment("typed", "default", strategic).spec.template.spec.containers[0]
        assert (container.command[0], container.env[0].name) == ("sh", "A")
        apps.delete_namespaced_deployment("typed", "default")
        with pytest.raises(client.ApiException) as missing:
            apps.read_namespaced_deployment("typed", "default")
        assert (missing.value.status, missing.value.reason) == (404, "Not Found")


def _exec_and_forward(core: Any, name: str) -> None:
    from kubernetes import client
    from kubernetes.stream import portforward, stream

    execute, options = core.connect_get_namespaced_pod_exec, {"stdin": False, "stdout": True, "stderr": True}
    assert stream(execute, name, "default", command=["echo", "hi"], tty=False, **options) == "hi\n"
    shell = stream(
        execute, name, "default", command=["sh"], tty=False, _preload_content=False, **{**options, "stdin": True}
    )
    shell.write_stdin("echo typed; exit 3\n")
    shell.run_forever(timeout=20)
    assert (shell.read_stdout(), shell.returncode) == ("typed\n", 3)
    with pytest.raises(client.ApiException):
        stream(execute, "absent", "default", command=["echo"], tty=False, **options)
    forward = functools.partial(portforward, core.connect_get_namespaced_pod_portforward, name, "default", ports="8000")
    asyncio.run(eventually(lambda: _said_through(forward).startswith(b"HTTP/1.0 200"), timeout=30))


def _said_through(forward: Any) -> bytes:
    connection = forward().socket(8000)
    connection.setblocking(True)
    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    said: bytes = connection.recv(12)
    connection.close()
    return said


def _log_of(core: Any, name: str) -> str:
    from kubernetes import watch

    for line in watch.Watch().stream(core.read_namespaced_pod_log, name=name, namespace="default"):
        return str(line)
    return ""


def use_dynamic(kubeconfig: Path) -> None:
    from kubernetes import config, dynamic
    from kubernetes.dynamic.exceptions import NotFoundError

    with config.new_client_from_config(str(kubeconfig)) as connection:
        resources = dynamic.DynamicClient(connection).resources
        deployments = resources.get(api_version="apps/v1", kind="Deployment")
        deployments.create(body=deployment("dynamic"), namespace="default")
        merge = "application/merge-patch+json"
        deployments.patch(
            body={"metadata": {"annotations": {"a": "b"}}}, name="dynamic", namespace="default", content_type=merge
        )
        assert deployments.get(name="dynamic", namespace="default").metadata.annotations.a == "b"
        pods = resources.get(api_version="v1", kind="Pod")
        for event in pods.watch(namespace="default", label_selector="app=dynamic", timeout=30):
            if event["object"].status.phase == "Running":
                break
        assert len(pods.get(namespace="default", label_selector="app=dynamic").items) == 1
        deployments.delete(name="dynamic", namespace="default")
        with pytest.raises(NotFoundError):
            deployments.get(name="dynamic", namespace="default")


async def use_kubernetes_asyncio(kubeconfig: Path) -> None:
    from kubernetes_asyncio import client, config, watch
    from kubernetes_asyncio.stream import WsApiClient

    await config.load_kube_config(str(kubeconfig))
    merge = "application/merge-patch+json"
    async with client.ApiClient() as connection:
        core, apps = client.CoreV1Api(connection), client.AppsV1Api(connection)
        await apps.create_namespaced_deployment("default", deployment("async"))
        name = ""
        async with watch.Watch().stream(
            core.list_namespaced_pod, "default", label_selector="app=async", timeout_seconds=30
        ) as events:
            async for event in events:
                name = event["object"].metadata.name
                if event["object"].status.phase == "Running":
                    break
        patch = {"metadata": {"labels": {"patched": "yes"}}}
        patched = await apps.patch_namespaced_deployment("async", "default", patch, _content_type=merge)
        assert patched.metadata.labels == {"patched": "yes"}
        scaled = await apps.patch_namespaced_deployment_scale(
            "async", "default", {"spec": {"replicas": 2}}, _content_type=merge
        )
        assert scaled.spec.replicas == 2

        async def says_hello() -> bool:
            return "hello async" in await core.read_namespaced_pod_log(name, "default")

        await eventually(says_hello)
        async with WsApiClient() as sockets:
            said = await client.CoreV1Api(sockets).connect_get_namespaced_pod_exec(
                name, "default", command=["echo", "hi"], stdin=False, stdout=True, stderr=True, tty=False
            )
        assert said == "hi\n"
        await apps.delete_namespaced_deployment("async", "default")
        with pytest.raises(client.ApiException) as missing:
            await apps.read_namespaced_deployment("async", "default")
        assert missing.value.status == 404


async def use_kr8s(kubeconfig: Path) -> None:
    import kr8s
    from kr8s.asyncio.objects import Deployment

    api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig))
    assert (await api.version())["major"] == "1"
    assert await api.whoami()
    assert {"pods", "deployments"} <= {each["name"] for each in await api.api_resources()}
    made = await Deployment(deployment("krates"), api=api)
    await made.create()
    assert await made.exists()
    await made.wait("condition=Available", timeout=30)
    await made.label({"patched": "yes"})
    await made.annotate({"a": "b"})
    await made.scale(2)
    found = await Deployment.get("krates", namespace="default", api=api)
    assert (found.replicas, found.labels, found.annotations["a"]) == (2, {"patched": "yes"}, "b")
    for pod in await made.pods():
        await pod.wait("condition=Ready", timeout=30)
        assert [line async for line in pod.logs()] == ["hello krates"]
        assert (await pod.exec(["echo", "hi"])).stdout == b"hi\n"
    await eventually(lambda: _answers(pod), timeout=30)
    seen = set()
    async for kind, pod in api.watch("pods", namespace="default", label_selector="app=krates"):
        seen.add((kind, pod.name))
        if len(seen) == 2:
            break
    assert {kind for kind, _ in seen} == {"ADDED"}
    await made.delete()
    await eventually(lambda: _is_gone(made))


async def _answers(pod: Any) -> bool:
    async with (
        pod.portforward(8000) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        return bool(answer.status == 200)


async def _is_gone(obj: Any) -> bool:
    return not await obj.exists()


def use_lightkube(kubeconfig: Path) -> None:
    from lightkube import ApiError, Client, KubeConfig
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.resources.core_v1 import Namespace, Pod
    from lightkube.types import PatchType

    client = Client(config=KubeConfig.from_file(kubeconfig).get(), namespace="default", field_manager="lightkube")
    made = client.create(Deployment.from_dict(deployment("light")))
    assert made.spec.replicas == 1
    labelled = {"metadata": {"labels": {"patched": "yes"}}}
    assert client.patch(Deployment, "light", labelled, patch_type=PatchType.MERGE).metadata.labels["patched"] == "yes"
    assert client.patch(Deployment, "light", {"spec": {"minReadySeconds": 0}}).metadata.labels["patched"] == "yes"
    added = [{"op": "add", "path": "/metadata/labels/more", "value": "too"}]
    assert client.patch(Deployment, "light", added, patch_type=PatchType.JSON).metadata.labels["more"] == "too"
    client.wait(Deployment, "light", for_conditions=["Available"])
    scale = client.get(Deployment.Scale, "light")
    scale.spec.replicas = 2
    assert client.replace(scale, "light").spec.replicas == 2
    names = set()
    for _, pod in client.watch(Pod, labels={"app": "light"}):
        names.add(pod.metadata.name)
        if len(names) == 2:
            break
    assert len(list(client.list(Namespace, chunk_size=2))) >= 4
    running = next(pod for _, pod in client.watch(Pod, labels={"app": "light"}) if pod.status.phase == "Running")
    assert next(iter(client.log(running.metadata.name, follow=True))) == "hello light\n"
    assert client.exec(running.metadata.name, command=["echo", "hi"], stdout=True).stdout == "hi\n"
    client.delete(Deployment, "light")
    with pytest.raises(ApiError) as missing:
        client.get(Deployment, "light")
    assert missing.value.status.code == 404


USES = {
    "kubernetes": use_kubernetes,
    "kubernetes-dynamic": use_dynamic,
    "kubernetes_asyncio": use_kubernetes_asyncio,
    "kr8s": use_kr8s,
    "lightkube": use_lightkube,
}


def main(library: str, kubeconfig: str) -> None:
    ended = USES[library](Path(kubeconfig))
    if ended is not None:
        asyncio.run(ended)


if __name__ == "__main__":
    main(*sys.argv[1:])
