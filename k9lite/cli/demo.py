"""`k9lite demo`: something to look at, once: deployment `myd1` of the built-in web server behind a NodePort."""

from __future__ import annotations

import argparse

from k9lite.api.catalog import DEPLOYMENTS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.objects import dig
from k9lite.cli.context import CommandError, Context
from k9lite.client import actions
from k9lite.client.rest import KubeClient

NAME = "myd1"
IMAGE = "k9lite/whoami"
REPLICAS = 3
PORT = 80


def add_arguments(parser: argparse.ArgumentParser, _: str) -> None:
    parser.description = f"Create deployment {NAME} ({REPLICAS} replicas of {IMAGE}) and a NodePort service of it."


async def run(context: Context, _: str) -> int:
    """Make what is missing of the demo; what is there stays as it is."""
    if not context.is_local:
        raise CommandError(f"the demo runs {IMAGE}, which only the local cluster has; leave --context out")
    async with context.client() as client:
        namespace = context.namespace(client)
        deployment = actions.deployment_object(NAME, IMAGE, replicas=REPLICAS, port=PORT)
        if await _is_new(client, namespace, deployment):
            print(f"deployment.apps/{NAME} created")
        service = actions.service_object(deployment, service_type="NodePort", port=PORT)
        if await _is_new(client, namespace, service):
            print(f"service/{NAME} exposed")
        made = await client.get(SERVICES, namespace, NAME)
    node_port = next((each.get("nodePort") for each in dig(made, "spec", "ports", default=[])), None)
    if node_port:
        print(f"http://127.0.0.1:{node_port}", flush=True)
    return 0


async def _is_new(client: KubeClient, namespace: str, obj: dict[str, object]) -> bool:
    """Create it; False if it was there already."""
    resource = DEPLOYMENTS if obj["kind"] == DEPLOYMENTS.kind else SERVICES
    try:
        await client.create(resource, namespace, obj)
    except ApiError as error:
        if error.reason == "AlreadyExists":
            return False
        raise
    return True
