"""`k9lite port-forward`: local ports that lead to a pod's, until it is interrupted or the pod goes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from k9lite.api.catalog import SERVICES
from k9lite.api.objects import Obj, dig, name_of
from k9lite.cli import pods
from k9lite.cli.context import CommandError, Context, UsageError
from k9lite.cli.parser import duration
from k9lite.client.port_forward import PortForward, Ports, until_gone
from k9lite.client.rest import KubeClient

LOCALHOST = ("127.0.0.1", "::1")


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.add_argument("target", nargs="*", metavar="POD | KIND/NAME [LOCAL:]REMOTE...")
    parser.add_argument("--address", default="localhost", metavar="ADDRESSES", help="listen there, separated by commas")
    parser.add_argument("--pod-running-timeout", default="1m", metavar="TIME", help="wait so long for the pod to run")


async def run(context: Context, _: str) -> int:
    args = context.args
    if len(args.target) < 2:
        raise UsageError("TYPE/NAME and list of ports are required for port-forward")
    async with context.client() as client:
        namespace = context.namespace(client)
        resource, obj = await pods.named(client, namespace, args.target[0])
        found = (await pods.behind(client, namespace, args.target[0], "port-forward to"))[0]
        wait = duration(args.pod_running_timeout, "--pod-running-timeout")
        pod = await pods.started(client, namespace, found, wait)
        if (phase := dig(pod, "status", "phase")) != "Running":
            raise CommandError(f"unable to forward port because pod is not running. Current status={phase}")
        service = obj if resource is SERVICES else None
        wanted = [ports_of(text, pod, service) for text in args.target[1:]]
        await _forward(context, client, namespace, pod, wanted)
    return 0


def ports_of(text: str, pod: Obj, service: Obj | None = None) -> Ports:
    """`80`, `8080:80`, `:80`, `8080:http`; a service's ports are its own, and lead to their targetPort.

    Raises CommandError.
    """
    local, colon, remote = text.partition(":")
    if not colon:
        remote = local
    target = _of_service(service, remote) if service is not None else remote
    number = int(target) if target.isascii() and target.isdigit() else _of_pod(pod, target)
    if not colon:  # `http` listens on the number it stands for
        local = remote if remote.isascii() and remote.isdigit() else str(number)
    local_number = int(local) if local.isascii() and local.isdigit() else 0 if not local else -1
    if not (0 <= local_number < 65536 and 0 < number < 65536):
        raise CommandError(f"invalid port format '{text}': write it as [LOCAL:]REMOTE, such as 8080:80 or :http")
    return Ports(local_number, number)


def _of_service(service: Obj, port: str) -> str:
    """The targetPort of a service's port, which is given by number or name."""
    for each in dig(service, "spec", "ports", default=[]):
        if port in (str(each["port"]), each.get("name")):
            return str(each.get("targetPort") or each["port"])
    raise CommandError(f"Service {name_of(service)} does not have a service port {port}")


def _of_pod(pod: Obj, name: str) -> int:
    for container in dig(pod, "spec", "containers", default=[]):
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise CommandError(f"Pod {name_of(pod)} does not have a named port '{name}'")


async def _forward(context: Context, client: KubeClient, namespace: str, pod: Obj, wanted: Sequence[Ports]) -> None:
    name = name_of(pod)
    forward = PortForward(
        client,
        namespace,
        name,
        on_connection=lambda port: print(f"Handling connection for {port}", flush=True),
        on_error=lambda port, text: context.say(f"error: port {port} of pod {name}: {text}"),
    )
    try:
        for ports in wanted:
            for address, local in await _listen(forward, ports, context.args.address):
                shown = f"[{address}]" if ":" in address else address
                print(f"Forwarding from {shown}:{local} -> {ports.remote}", flush=True)
        await until_gone(client, pod)
    finally:
        await forward.close()
    raise CommandError("lost connection to pod")


async def _listen(forward: PortForward, ports: Ports, addresses: str) -> list[tuple[str, int]]:
    """Raises CommandError where a port is taken. Of `localhost` one family is enough."""
    listening: list[tuple[str, int]] = []
    for address in filter(None, (word.strip() for word in addresses.split(","))):
        failures: list[OSError] = []
        for each in LOCALHOST if address == "localhost" else (address,):
            local = ports.local or (listening[0][1] if listening else 0)
            try:
                listening += await forward.listen(Ports(local, ports.remote), [each])
            except OSError as error:
                failures.append(error)
                if each == LOCALHOST[0]:
                    break
        if not listening or (failures and address != "localhost"):
            why = failures[0].strerror or str(failures[0])
            raise CommandError(f"unable to listen on port {ports.local} of {address}: {why}; choose another local port")
    return listening
