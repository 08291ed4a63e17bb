"""The dialogs about forwarded ports: a new one, and the list of those that run."""

from __future__ import annotations

from k9lite.api.catalog import PODS
from k9lite.api.objects import Obj, dig, name_of, namespace_of
from k9lite.client.rest import KubeClient
from k9lite.tui.dialogs.form import Field, FormDialog, FormError, Values, whole_number
from k9lite.tui.forwards import Forwards

PRIVILEGED = 1024
"""Ports below are root's on most machines."""
RAISED = 8000
"""What makes another local port of those: 80 becomes 8080, 443 becomes 8443."""


def port_forward_dialog(forwards: Forwards, client: KubeClient, pod: Obj) -> FormDialog:
    """Asks both ports, prefilled from those that the containers declare."""
    from k9lite.client.port_forward import Ports

    name = name_of(pod)
    declared = tcp_ports(pod)
    first = declared[0][0] if declared else None

    async def submit(values: Values) -> str:
        remote = whole_number(values, "remote", "Port of the pod", low=1, high=65535)
        local = whole_number(values, "local", "Local port", low=0, high=65535) or 0
        if remote is None:
            raise FormError("a port of the pod is needed", "remote")
        current = await client.get(PODS, namespace_of(pod), name)
        if (phase := dig(current, "status", "phase")) != "Running":
            raise FormError(f"unable to forward port because pod is not running. Current status={phase}")
        try:
            made = await forwards.start(client, current, Ports(local, remote))
        except OSError as error:
            raise FormError(f"{error.strerror or error}; choose another local port", "local") from error
        return f"{made}; :forwards ends it"

    return FormDialog(
        f"Forward a port to pod {name}",
        submit,
        text=f"It declares {', '.join(_shown(*port) for port in declared)}." if declared else "It declares no ports.",
        fields=[
            Field(
                "local",
                "Local port",
                str(_local(first)) if first else "",
                placeholder="empty: any that is free",
                whole_number=True,
            ),
            Field("remote", "Port of the pod", str(first) if first else "", whole_number=True),
        ],
        submit_label="Forward",
    )


def tcp_ports(pod: Obj) -> list[tuple[int, str]]:
    """(number, name or empty) of the ports that can be forwarded."""
    return [
        (int(port["containerPort"]), str(port.get("name") or ""))
        for container in dig(pod, "spec", "containers", default=[])
        for port in container.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]


def _shown(port: int, name: str) -> str:
    return f"{port} ({name})" if name else str(port)


def _local(port: int) -> int:
    return port + RAISED if port < PRIVILEGED else port


def forwards_dialog(forwards: Forwards) -> FormDialog:
    """Those that run; one is ended by its local port."""
    running = list(forwards.running)

    async def submit(values: Values) -> str:
        port = whole_number(values, "local", "Local port", high=65535)
        found = next((each for each in forwards.running if each.local == port), None)
        if found is None:
            raise FormError("no forward listens on that port", "local")
        await forwards.stop(found)
        return f"the forward from {found.local} to {found.remote} of pod {name_of(found.pod)} has ended"

    return FormDialog(
        "Forwarded ports",
        submit,
        fields=[Field("local", "Local port", str(running[-1].local), whole_number=True)],
        targets=[str(each) for each in running],
        submit_label="End",
    )
