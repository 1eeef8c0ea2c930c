"""`vaina create serviceaccount` and `vaina create token`, as kubectl has them (`pkg/cmd/create`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from cli import flags
from cli.commands.create import create_command, creates
from cli.failures import Failure
from cli.shell import Shell
from vaina import kinds
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.core.v1 import service_account_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.objects.encode import message_to_dict
from vaina.objects.manifest import write_json
from vaina.objects.yaml_text import write_yaml

#: what a token can be bound to
_BOUND = ("Node", "Pod", "Secret")


@creates(kinds.SERVICE_ACCOUNT, "serviceaccount")
def fill_service_account(made: service_account_pb2.ServiceAccount) -> None:
    """Make a ServiceAccount."""


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """What `create token` was asked for."""

    name: str
    audiences: Sequence[str]
    duration: float
    bound_kind: str
    bound_name: str
    bound_uid: str
    output: str


@flags.verb(create_command, "token", TokenOptions)
@click.argument("name", metavar="SERVICE_ACCOUNT_NAME")
@flags.namespace
@flags.several(
    "--audience audiences", "For whom the token is: for the apiserver where nothing is said; may be repeated.", "TEXT"
)  # fmt: skip
@flags.duration(
    "--duration",
    "0s",
    "How long it is to hold; the server may decide otherwise, and does where nothing is said.",
)
@flags.text(
    "--bound-object-kind bound_kind", f"It ends with an object of this kind: {', '.join(_BOUND)}.", "KIND"
)
@flags.text("--bound-object-name bound_name", "Name of that object.", "NAME")
@flags.text(
    "--bound-object-uid bound_uid", "Its uid: that of the object that is there where nothing is said.", "UID"
)
@flags.answer_output
async def create_token(shell: Shell, clients: Clientset, options: TokenOptions) -> None:
    """Have a token of a ServiceAccount made, and write it."""
    request = _request(options)
    try:
        made = await clients.service_accounts.create_token(options.name, shell.namespace, request)
    except ApiError as error:
        raise Failure(f"failed to create token: {error}") from error
    if not made.status.token:
        raise Failure("failed to create token: no token in server response")
    if options.output:
        tree = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", **message_to_dict(made)}
        shell.out_data(write_yaml(tree) if options.output == "yaml" else f"{write_json(tree, indent=4)}\n")
    else:
        # A line for people, and nothing but the token for programs.
        shell.out(made.status.token + ("\n" if shell.interactive else ""))


def _request(options: TokenOptions) -> authentication_pb2.TokenRequestSpec:
    """Return what is asked for. Raises Failure."""
    if options.duration % 1:
        raise Failure("--duration cannot be expressed in units less than seconds")
    if "" in options.audiences:
        raise Failure("--audience must not be an empty string")
    spec = authentication_pb2.TokenRequestSpec(audiences=options.audiences)
    if options.duration:
        spec.expiration_seconds = int(options.duration)
    kind, name, uid = options.bound_kind, options.bound_name, options.bound_uid
    if kind:
        if kind not in _BOUND:
            raise Failure(f"supported --bound-object-kind values are {', '.join(_BOUND)}")
        if not name:
            raise Failure("--bound-object-name is required if --bound-object-kind is provided")
        bound = authentication_pb2.BoundObjectReference(kind=kind, api_version="v1", name=name, uid=uid)
        spec.bound_object_ref.CopyFrom(bound)
    elif name or uid:
        flag = "name" if name else "uid"
        raise Failure(f"--bound-object-{flag} can only be set if --bound-object-kind is provided")
    return spec
