"""`vaina create serviceaccount` and `vaina create token`: kubectl's words."""

import json

import pytest

from cli.app import invoke
from tests.support.apiserver import make_apiserver
from tests.support.command import CommandLine, text_of
from tests.support.tokens import Signer, parts


@pytest.fixture
def vaina() -> CommandLine:
    api = make_apiserver(tokens=Signer())
    line = CommandLine(api.app.handlers, api.clock)
    assert line.run("create", "sa", "bot").out == "serviceaccount/bot created\n"
    return line


def test_a_token_alone_is_written_and_a_line_for_people(vaina: CommandLine) -> None:
    said = vaina.run("create", "token", "bot")
    assert (said.code, said.out.count("."), said.out.strip()) == (0, 2, said.out)
    shell = vaina.shell(interactive=True)
    assert invoke(shell, ["create", "token", "bot"]) == 0
    assert text_of(shell.stdout).endswith("\n")


def test_what_is_asked_for_is_in_the_token(vaina: CommandLine) -> None:
    vaina.run("create", "secret", "generic", "s")
    said = vaina.run(
        "create", "token", "bot", "--audience=a", "--audience=b", "--duration=20m", "--bound-object-kind=Secret",
        "--bound-object-name=s", "-o", "json",
    )  # fmt: skip
    answer = json.loads(said.out)
    assert (answer["kind"], answer["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    assert answer["spec"]["boundObjectRef"] == {"kind": "Secret", "apiVersion": "v1", "name": "s"}
    payload = parts(answer["status"]["token"])[1]
    assert (payload["aud"], payload["exp"] - payload["iat"]) == (["a", "b"], 1200)
    assert payload["kubernetes.io"]["secret"]["name"] == "s"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--duration=-1s",), 'time: invalid duration "-1s": it is negative'),
        (("--duration=1500ms",), "--duration cannot be expressed in units less than seconds"),
        (("--audience=",), "--audience must not be an empty string"),
        (("--bound-object-name=s",), "--bound-object-name can only be set if --bound-object-kind is provided"),
        (("--bound-object-uid=u",), "--bound-object-uid can only be set if --bound-object-kind is provided"),
        (("--bound-object-kind=Job",), "supported --bound-object-kind values are Node, Pod, Secret"),
        (("--bound-object-kind=Pod",), "--bound-object-name is required if --bound-object-kind is provided"),
        (("--duration=5m",), "failed to create token: TokenRequest.authentication.k8s.io \"\" is invalid: "
         "spec.expirationSeconds: Invalid value: 300: may not specify a duration less than 10 minutes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(vaina: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    said = vaina.run("create", "token", "bot", *arguments)
    assert (said.code, said.err) == (1, f"error: {words}\n")


def test_an_account_that_is_not_there(vaina: CommandLine) -> None:
    assert vaina.run("create", "token", "nobody").err == (
        'error: failed to create token: serviceaccounts "nobody" not found\n'
    )
