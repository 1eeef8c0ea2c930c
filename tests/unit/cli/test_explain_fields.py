"""`vaina explain KIND[.FIELD...]`: what fields are for, in the form of kubectl's explain; no server is asked."""

from tests.support.command import CommandLine


def explain(*arguments: str) -> str:
    result = CommandLine().run("explain", *arguments)
    assert (result.code, result.err) == (0, "")
    return result.out


def test_a_field_is_told_with_its_type_its_text_and_the_fields_in_it() -> None:
    lines = explain("pods.spec.containers.ports").splitlines()
    assert lines[:6] == [
        "KIND:       Pod", "VERSION:    v1", "",
        "FIELD: ports <[]ContainerPort>", "", "",
    ]  # fmt: skip
    assert lines[6] == "DESCRIPTION:"
    assert lines[7].startswith("    Ports it listens on")
    at = lines.index("  containerPort\t<integer> -required-")
    assert lines[at + 1 : at + 3] == ["    The port inside the Pod, 1 to 65535.", ""]
    assert "  hostPort\t<integer>" in lines


def test_a_kind_of_a_group_is_told_with_its_group_whatever_it_is_called() -> None:
    named = [explain(word) for word in ("deployments", "deploy", "Deployment", "deployments.apps")]
    assert named[0].startswith("GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nDESCRIPTION:\n")
    assert set(named) == {named[0]}
    assert "  apiVersion\t<string>\n" in named[0]
    assert explain("deployments.apps.spec.replicas") == explain("deploy.spec.replicas")


def test_recursive_tells_a_line_a_field_down_to_a_depth() -> None:
    whole = explain("pods", "--recursive").splitlines()
    assert "        httpGet\t<HTTPGetAction>" in whole
    assert "          port\t<IntOrString> -required-" in whole
    some = explain("pods", "--recursive", "--max-depth", "2").splitlines()
    assert "    containers\t<[]Container> -required-" in some
    assert not [line for line in some if line.startswith("      ")]


def test_types_are_called_as_kubectl_calls_them() -> None:
    resources = explain("pods.spec.containers.resources")
    assert "  limits\t<map[string]Quantity>\n" in resources
    meta = explain("pods.metadata")
    assert "  creationTimestamp\t<string>\n" in meta
    assert "  labels\t<map[string]string>\n" in meta
    assert "FIELD: terminationGracePeriodSeconds <integer>\n" in explain(
        "pods.spec.terminationGracePeriodSeconds"
    )
