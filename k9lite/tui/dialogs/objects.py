"""The dialogs about objects: delete, kill, scale, expose, create. Each builds a form and says what submitting does."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Awaitable, Callable, Sequence

from k9lite.api.catalog import DEPLOYMENTS, PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.client.rest import KubeClient
from k9lite.tui.addresses import service_urls
from k9lite.tui.dialogs.form import Field, FormDialog, FormError, Result, Values, whole_number

TYPED_FROM = 10
"""Deleting this many at once is typed, not just confirmed."""
URL_SECONDS = 8.0
"""Longest wait for an exposed service to answer before its URL is shown as not answering yet."""
PROPAGATION = ("Background", "Foreground", "Orphan")


def title_of(resource: Resource, objs: Sequence[Obj]) -> str:
    if len(objs) == 1:
        return f"{resource.kind.lower()} {name_of(objs[0])}"
    return f"{len(objs)} {resource.plural}"


def target_lines(objs: Sequence[Obj]) -> list[str]:
    return ["/".join(part for part in (namespace_of(obj), name_of(obj)) if part) for obj in objs]


async def _each(objs: Sequence[Obj], change: Callable[[Obj], Awaitable[object]], *, gone_is_fine: bool) -> None:
    """Do it to all, then raise the first failure, with how many others failed."""
    outcomes = await asyncio.gather(*(change(obj) for obj in objs), return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if gone_is_fine:
        failures = [error for error in failures if not (isinstance(error, ApiError) and error.code == 404)]
    if not failures:
        return
    first = failures[0]
    if len(objs) > 1 and isinstance(first, ApiError):
        raise FormError(f"{len(failures)} of {len(objs)} failed, the first: {first.message}") from first
    raise first


def delete_dialog(client: KubeClient, resource: Resource, objs: Sequence[Obj]) -> FormDialog:
    """Asks propagation and grace; the focus is on Cancel."""
    from k9lite.client import actions

    many = len(objs) >= TYPED_FROM

    async def submit(values: Values) -> str:
        if many and values["typed"].strip() != str(len(objs)):
            raise FormError(f"type {len(objs)} to delete that many", "typed")
        grace = whole_number(values, "grace", "Grace period")

        async def delete(obj: Obj) -> None:
            await actions.delete(
                client,
                resource,
                namespace_of(obj) or None,
                name_of(obj),
                propagation=values["propagation"],
                grace_seconds=grace,
                uid=uid_of(obj),
            )

        await _each(objs, delete, gone_is_fine=True)
        return f"{title_of(resource, objs)} deleted"

    fields = [
        Field("propagation", "What it owns", choices=PROPAGATION),
        Field("grace", "Grace period", placeholder="seconds; empty: as the object says", whole_number=True),
    ]
    if many:
        fields.append(Field("typed", f"Type {len(objs)}", placeholder=f"this deletes {len(objs)} objects"))
    return FormDialog(
        f"Delete {title_of(resource, objs)}?",
        submit,
        fields=fields,
        targets=target_lines(objs),
        text=_delete_text(resource),
        submit_label="Delete",
        destructive=True,
    )


def _delete_text(resource: Resource) -> str:
    if resource.key == DEPLOYMENTS.key:
        return "Its replica sets and pods go with it (Background, Foreground) or stay (Orphan)."
    if resource.key == PODS.key:
        return "A pod that something manages is replaced."
    return ""


def kill_dialog(client: KubeClient, pods: Sequence[Obj]) -> FormDialog:
    """Asked once."""
    from k9lite.client import actions

    async def submit(_: Values) -> str:
        await _each(
            pods,
            lambda pod: actions.kill(client, namespace_of(pod), name_of(pod), uid=uid_of(pod)),
            gone_is_fine=True,
        )
        return f"{title_of(PODS, pods)} killed"

    return FormDialog(
        f"Kill {title_of(PODS, pods)} now?",
        submit,
        text="SIGKILL at once: no grace period, open requests break.",
        targets=target_lines(pods),
        submit_label="Kill",
        destructive=True,
    )


def scale_dialog(client: KubeClient, resource: Resource, objs: Sequence[Obj]) -> FormDialog:
    """Current and wanted number; 0 is asked for once more by the text."""
    from k9lite.client import actions

    current = dig(objs[0], "spec", "replicas", default=1)
    ready = dig(objs[0], "status", "readyReplicas", default=0)

    async def submit(values: Values) -> str:
        wanted = whole_number(values, "replicas", "Replicas")
        if wanted is None:
            raise FormError("say how many replicas there shall be", "replicas")
        if wanted == 0 and values["replicas"].strip() != confirmed.get("zero"):
            confirmed["zero"] = "0"
            raise FormError("0 stops every pod of it. Press enter once more to do so.", "replicas")
        await _each(
            objs,
            lambda obj: actions.scale(client, resource, namespace_of(obj), name_of(obj), wanted),
            gone_is_fine=False,
        )
        return f"{title_of(resource, objs)} scaled to {wanted}"

    confirmed: dict[str, str] = {}
    text = f"Now: {current} wanted, {ready} ready." if len(objs) == 1 else ""
    return FormDialog(
        f"Scale {title_of(resource, objs)}",
        submit,
        fields=[Field("replicas", "Replicas", str(current), whole_number=True, server_fields=("replicas",))],
        text=text,
        targets=target_lines(objs) if len(objs) > 1 else (),
        submit_label="Scale",
    )


def restart_dialog(client: KubeClient, resource: Resource, objs: Sequence[Obj], now: Callable[[], float]) -> FormDialog:
    """Asked once."""
    from k9lite.client import actions

    async def submit(_: Values) -> str:
        await _each(
            objs,
            lambda obj: actions.restart(client, resource, namespace_of(obj), name_of(obj), now=now()),
            gone_is_fine=False,
        )
        return f"{title_of(resource, objs)} restarting"

    return FormDialog(
        f"Restart {title_of(resource, objs)}?",
        submit,
        text="Its pods are replaced one after the other, as its strategy says.",
        targets=target_lines(objs),
        submit_label="Restart",
    )


def expose_dialog(client: KubeClient, deployment: Obj) -> FormDialog:
    """Asks type and ports, then shows the URL once it answers."""
    from k9lite.client import actions

    ports = [
        port.get("containerPort")
        for container in dig(deployment, "spec", "template", "spec", "containers", default=[])
        for port in container.get("ports") or []
    ]
    first = str(ports[0]) if ports else "80"

    async def submit(values: Values) -> str | Result:
        port = whole_number(values, "port", "Port", low=1, high=65535)
        target = values["target"].strip()
        node_port = whole_number(values, "node_port", "Node port")
        made = await actions.expose(
            client,
            DEPLOYMENTS,
            namespace_of(deployment),
            name_of(deployment),
            service_name=values["name"].strip(),
            service_type=values["type"],
            port=port,
            target_port=(int(target) if target.isdigit() else target) if target else None,
            node_port=node_port,
        )
        urls = service_urls(made, client.server)
        if not urls:
            return Result(f"service {name_of(made)} created: {dig(made, 'spec', 'clusterIP', default='')}")
        answers = await answers_within(urls[0], URL_SECONDS)
        state = "answers at" if answers else "does not answer yet; it will be at"
        return Result(f"service {name_of(made)} {state}", urls[0])

    return FormDialog(
        f"Expose deployment {name_of(deployment)}",
        submit,
        fields=[
            Field("type", "Type", "NodePort", ("ClusterIP", "NodePort", "LoadBalancer"), server_fields=("spec.type",)),
            Field("name", "Service name", name_of(deployment), server_fields=("metadata.name",)),
            Field("port", "Port", first, whole_number=True, server_fields=("].port",)),
            Field("target", "Target port", first, server_fields=("targetPort",)),
            Field(
                "node_port",
                "Node port",
                placeholder="30000-32767; empty: chosen",
                whole_number=True,
                server_fields=("nodePort",),
            ),
        ],
        submit_label="Expose",
    )


async def answers_within(url: str, seconds: float) -> bool:
    """Whether the URL's port takes a connection in that time."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                try:
                    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                except OSError:
                    await asyncio.sleep(0.1)
                    continue
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                return True
    return False


def create_dialog(client: KubeClient, namespace: str) -> FormDialog:
    """A deployment from an image's name."""
    from k9lite.client import actions

    async def submit(values: Values) -> str:
        image, name = values["image"].strip(), values["name"].strip()
        if not image:
            raise FormError("an image is needed, as in nginx or k9lite/whoami", "image")
        try:
            command = shlex.split(values["command"])
        except ValueError as error:
            raise FormError(f"command: {error}", "command") from None
        if image == actions.HOST_IMAGE and not command:
            raise FormError("the image host runs a program of this machine, so it needs a command", "command")
        name = name or actions.container_name(image)
        await actions.create_deployment(
            client,
            values["namespace"].strip() or "default",
            name,
            image,
            replicas=whole_number(values, "replicas", "Replicas") or 0,
            port=whole_number(values, "port", "Port", low=1, high=65535),
            command=command,
        )
        return f"deployment {name} created"

    return FormDialog(
        "Create a deployment",
        submit,
        fields=[
            Field(
                "image",
                "Image",
                placeholder="nginx, k9lite/whoami, or host for a command",
                server_fields=("].image",),
            ),
            Field("name", "Name", placeholder="empty: from the image", server_fields=("metadata.name", "].name")),
            Field("namespace", "Namespace", namespace or "default"),
            Field("replicas", "Replicas", "1", whole_number=True, server_fields=("replicas",)),
            Field("port", "Port", placeholder="containerPort, if it listens", server_fields=("containerPort",)),
            Field("command", "Command", placeholder="needed for host, else optional", server_fields=("command",)),
        ],
        submit_label="Create",
    )
