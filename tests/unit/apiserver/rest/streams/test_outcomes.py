"""What the error channel says at the end of a session."""

import json

import pytest

from apiserver.rest.streams.outcomes import exit_status, write_outcome
from vaina.errors import NotFound, Unavailable


def test_a_command_that_ended_well_is_a_success() -> None:
    # kubectl ends with 0, and other clients wait for this word.
    assert json.loads(write_outcome(exit_status(0), as_json=True)) == {"metadata": {}, "status": "Success"}


@pytest.mark.parametrize("code", [1, 3, 127, 137, 255])
def test_the_code_of_a_command_is_a_cause(code: int) -> None:
    assert json.loads(write_outcome(exit_status(code), as_json=True)) == {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code: command terminated with exit code "
        + str(code),
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def test_a_session_that_broke_says_why() -> None:
    told = json.loads(write_outcome(Unavailable("the node is away").to_status(), as_json=True))
    assert (told["status"], told["reason"], told["code"]) == ("Failure", "ServiceUnavailable", 503)
    assert told["message"] == "the node is away"


def test_older_protocols_have_words_and_no_status() -> None:
    assert write_outcome(exit_status(0), as_json=False) == b""
    assert write_outcome(exit_status(3), as_json=False).startswith(
        b"command terminated with non-zero exit code"
    )
    assert write_outcome(NotFound("gone").to_status(), as_json=False) == b"gone"
