"""`vaina certificate`: approve or deny certificate requests, as `kubectl/pkg/cmd/certificates`."""

from collections.abc import Sequence
from typing import Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.objects import object_name
from cli.shell import Shell
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.client.clientset import Clientset
from vaina.clock import timestamp
from vaina.errors import Conflict
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST

#: how often others may be faster
_TRIES: Final = 10
_names = click.argument("names", nargs=-1, metavar="NAME...")
_force = flags.flag("--force", "Write it again although it is so already.")


@cli.group("certificate")
@flags.server
def certificate_command() -> None:
    """Approve or deny certificate requests."""


@flags.verb(certificate_command, "approve")
@_names
@_force
async def approve(shell: Shell, clients: Clientset, *, names: Sequence[str], force: bool) -> None:
    """Approve requests: their signers may sign them. Look at what is asked for before (get csr -o yaml)."""
    await _decide(shell, clients, names, "Approved", force=force)


@flags.verb(certificate_command, "deny")
@_names
@_force
async def deny(shell: Shell, clients: Clientset, *, names: Sequence[str], force: bool) -> None:
    """Deny requests: nobody signs them."""
    await _decide(shell, clients, names, "Denied", force=force)


_VERBS: Final = {"Approved": "approve", "Denied": "deny"}


async def _decide(shell: Shell, clients: Clientset, names: Sequence[str], kind: str, *, force: bool) -> None:
    if not names:
        raise Failure("one or more CSRs must be specified as <name>")
    for name in names:
        tries = _TRIES
        while not await _try(shell, clients, name, kind, force=force, last=not tries):
            tries -= 1
        shell.out(f"{object_name(CERTIFICATE_SIGNING_REQUEST, name)} {kind.lower()}\n")


async def _try(shell: Shell, clients: Clientset, name: str, kind: str, *, force: bool, last: bool) -> bool:
    """Write the decision; False: somebody was faster. Raises ApiError."""
    client, verb = clients.certificate_signing_requests, _VERBS[kind]
    csr = await client.get(name)
    found = next((condition for condition in csr.status.conditions if condition.type == kind), None)
    if found is not None and not force:
        return True
    if found is None:
        found = csr.status.conditions.add()
    found.CopyFrom(
        certificate_signing_request_pb2.CertificateSigningRequestCondition(
            type=kind, status="True", reason=f"Kubectl{verb.capitalize()}",
            message=f"This CSR was {kind.lower()} by kubectl certificate {verb}.",
            last_update_time=timestamp(int(shell.clock.now())),
        )
    )  # fmt: skip
    try:
        await client.update_approval(csr)
    except Conflict:
        if last:
            raise
        return False
    return True
