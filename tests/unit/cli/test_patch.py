"""`vaina patch`: three kinds of patches, and parts of objects."""

from pathlib import Path

import pytest

from tests.support.command import CommandLine

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: x}}
spec: {containers: [{name: app, image: registry.local/app, resources: {requests: {cpu: 1}}}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 2
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: app, image: registry.local/app}]}
"""
CPU = '{"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "2"}}}]}}'


@pytest.fixture
def vaina() -> CommandLine:
    made = CommandLine()
    assert made.run("apply", "-f", "-", stdin=POD).code == 0
    return made


def show(vaina: CommandLine, path: str) -> str:
    return vaina.run("get", "pod", "web", "-o", f"jsonpath={{{path}}}").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", '{"metadata": {"labels": {"app": "other"}}}'),
        ("--type", "merge", "-p", "metadata: {labels: {app: other}}"),
        ("--type", "json", "-p", '[{"op": "replace", "path": "/metadata/labels/app", "value": "other"}]'),
    ],
)
def test_three_kinds_of_patches(vaina: CommandLine, arguments: tuple[str, ...]) -> None:
    result = vaina.run("patch", "pod", "web", *arguments)
    assert (result.code, result.out) == (0, "pod/web patched\n")
    assert show(vaina, ".metadata.labels.app") == "other"
    assert vaina.run("patch", "pod/web", *arguments).out == "pod/web patched (no change)\n"


def test_a_resize_is_a_patch_of_a_part(vaina: CommandLine) -> None:
    refused = vaina.run("patch", "pod", "web", "-p", CPU)
    assert refused.code == 1
    assert "pod updates may not change fields other than" in refused.err
    assert vaina.run("patch", "pod", "web", "--subresource", "resize", "-p", CPU).out == "pod/web patched\n"
    assert show(vaina, ".spec.containers[0].resources.requests.cpu") == "2"


def test_a_dry_run_changes_nothing(vaina: CommandLine) -> None:
    result = vaina.run("patch", "pod/web", "--subresource", "resize", "-p", CPU, "--dry-run", "server")
    assert result.out == "pod/web patched (server dry run)\n"
    assert show(vaina, ".spec.containers[0].resources.requests.cpu") == "1"


def test_an_unknown_field_is_warned_of_and_the_rest_is_patched(vaina: CommandLine) -> None:
    patch = '{"metadata":{"labels":{"app":"y"},"colour":"red"},"spec":{"contianers":[]}}'
    result = vaina.run("patch", "pod", "web", "-p", patch)
    assert (result.code, result.out) == (0, "pod/web patched\n")
    assert (
        result.err == 'Warning: unknown field "metadata.colour"\nWarning: unknown field "spec.contianers"\n'
    )
    assert show(vaina, ".metadata.labels.app") == "y"


def test_a_patch_of_the_scale_shows_a_scale(vaina: CommandLine) -> None:
    assert vaina.run("apply", "-f", "-", stdin=DEPLOYMENT).code == 0
    words = (
        "patch",
        "deployment",
        "app",
        "--subresource=scale",
        "--type=merge",
        "-p",
        '{"spec":{"replicas":4}}',
    )
    assert vaina.run(*words, "--dry-run=server").out == "scale.autoscaling/app patched (server dry run)\n"
    assert vaina.run(*words).out == "scale.autoscaling/app patched\n"
    assert vaina.run(*words).out == "scale.autoscaling/app patched (no change)\n"
    shown = vaina.run(*words, "-o", "yaml").out
    assert "kind: Scale\n" in shown
    assert "  replicas: 4\n" in shown
    refused = vaina.run("patch", "pod", "web", "--subresource=scale", "-p", "{}")
    assert refused.err == "Error from server (NotFound): the server could not find the requested resource\n"


def test_a_patch_in_a_file(vaina: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "patch.yaml").write_text("metadata:\n  labels: {app: z}\n")
    assert vaina.run(
        "patch", "pod", "web", "--patch-file", str(tmp_path / "patch.yaml"), "-o", "name"
    ).out == ("pod/web\n")
    assert show(vaina, ".metadata.labels.app") == "z"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pod", "web"), "error: must specify --patch or --patch-file containing the contents of the patch"),
        (("pod", "-p", "{}"), "error: resource(s) were provided, but no name was specified"),
        (("pod", "web", "-p", "a: ["), "error: unable to parse 'a: ['"),
        (("pod", "nobody", "-p", "{}"), 'Error from server (NotFound): pods "nobody" not found'),
        (("nosuch", "a", "-p", "{}"), 'error: the server doesn\'t have a resource type "nosuch"'),
    ],
)
def test_what_cannot_be(vaina: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    result = vaina.run("patch", *arguments)
    assert result.code == 1
    assert result.err.startswith(words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'), "patched"),
        (
            (
                "patch",
                "cm",
                "held",
                "--type=merge",
                "-p",
                '{"metadata":{"finalizers":null}}',
                "--dry-run=server",
            ),
            "patched (server dry run)",
        ),
        (("apply", "-f", "-"), "configured"),
        (("replace", "-f", "-"), "replaced"),
    ],
)
def test_who_takes_the_last_finalizer_is_told_what_became_of_the_object(
    words: tuple[str, ...], said: str
) -> None:
    line = CommandLine()
    free = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held}\n"
    line.run("apply", "-f", "-", stdin=free.replace("held", "held, finalizers: [a/b]"))
    line.run("delete", "cm", "held", "--wait=false")
    assert line.run(*words, stdin=free).out == f"configmap/held {said}\n"
    assert line.run("get", "cm", "held").code == (0 if "--dry-run=server" in words else 1)


def test_what_goes_by_a_patch_is_shown_as_the_patch_made_it() -> None:
    line = CommandLine()
    free = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [a/b]}\n"
    line.run("create", "-f", "-", stdin=free)
    line.run("delete", "cm", "held", "--wait=false")
    taken = '{"metadata":{"finalizers":null}}'
    shown = line.run("patch", "cm", "held", "--type=merge", "-p", taken, "-o", "json")
    assert '"name": "held"' in shown.out
    assert "finalizers" not in shown.out
