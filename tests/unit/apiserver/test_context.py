"""What travels with a request: under which name it sets fields."""

import pytest

from apiserver.context import Context


@pytest.mark.parametrize(
    ("given", "agent", "want"),
    [
        ("mine", "kubectl/v1.32.0 (linux/amd64)", "mine"),
        ("", "kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9", "kubectl"),
        ("", "vaina-cli grpc-python/1.80.0 grpc-c/53.0.0 (linux; chttp2)", "vaina-cli"),
        ("", "grpc-go/1.75.0", "grpc-go"),
        ("", "a\tb\x7f/1", "ab"),
        ("", "é" * 65, "é" * 64),
        ("", "", ""),
    ],
)
def test_fields_belong_to_the_field_manager_or_else_to_the_first_part_of_the_user_agent(
    given: str, agent: str, want: str
) -> None:
    assert Context(field_manager=given, agent=lambda: agent).manager == want
