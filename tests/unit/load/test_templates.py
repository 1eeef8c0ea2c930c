"""Templates: holes are filled, names can be found again, and mistakes are told."""

from pathlib import Path
from typing import Any

import pytest

from bench.load.templates import POD_DEFAULT, Template, TemplateError

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "pod-", "labels": {"run": "${run}", "number": "n${index:03}"}},
    "spec": {"containers": [{"name": "main", "image": "busybox"}]},
}


def test_objects_differ_where_the_template_says_so() -> None:
    template = Template(POD)
    assert template.varies
    maker = template.maker("r1")
    made = [maker.make(index, f"3-{index}") for index in (0, 7)]
    assert [pod.metadata.name for pod in made] == ["pod-3-0", "pod-3-7"]
    assert [pod.metadata.labels["number"] for pod in made] == ["n000", "n007"]
    assert {pod.metadata.labels["run"] for pod in made} == {"r1"}
    assert {pod.metadata.generate_name for pod in made} == {""}


def test_objects_that_are_alike_are_separate_messages() -> None:
    maker = Template(POD_DEFAULT).maker("r1")
    one, other = maker.make(0, "a"), maker.make(1, "b")
    one.metadata.labels["only"] = "one"
    assert not other.metadata.labels
    assert one.spec == other.spec


def test_a_fixed_name_stays() -> None:
    tree = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "${run}-node"}}
    assert Template(tree).maker("r1").make(0, "5").metadata.name == "r1-node"


def test_a_name_may_be_made_of_the_number_of_the_object() -> None:
    tree = POD | {
        "metadata": {"name": "${run}-${index}", "labels": {"tens": "${index/10}", "ones": "${index%10:02}"}}
    }
    maker = Template(tree).maker("r1")
    made = maker.make(37, "")
    assert made.metadata.name == maker.name("", 37) == "r1-37"
    assert dict(made.metadata.labels) == {"tens": "3", "ones": "07"}


def test_parameters_are_holes_too() -> None:
    tree = POD | {"metadata": {"name": "${app}-${run}"}}
    template = Template(tree, "pod.yaml", [{"app": "a"}])
    assert template.holes == {"app", "run"}
    maker = template.maker("r1", {"app": "web"})
    assert maker.make(0, "").metadata.name == maker.name("") == "web-r1"


@pytest.mark.parametrize(
    ("tree", "error"),
    [
        (
            POD | {"spec": {"containers": [{"name": "a", "imag": "b"}]}},
            'unknown field "spec.containers[0].imag"',
        ),
        (POD | {"kind": "Pot"}, 'no matches for kind "Pot"'),
        (
            POD | {"metadata": {"name": "${name}"}},
            r"${name}: a hole is ${run}, ${index}, ${index:06}, ${index/10} or ${index%10}",
        ),
        (POD | {"metadata": {"name": "${index:x}"}}, r"${index:x}: a hole is"),
        (POD | {"metadata": {"name": "a-${index/0}"}}, r"${index/0}: a hole is"),
    ],
)
def test_mistakes(tree: dict[str, Any], error: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(tree, "pod.yaml")
    assert str(caught.value).startswith("pod.yaml: ")
    assert error in str(caught.value)


@pytest.mark.parametrize(("text", "error"), [("[1]", "one object is expected"), ("a: [", "while parsing")])
def test_files_that_are_no_template(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(TemplateError, match=error):
        Template.read(tmp_path / "a.yaml")
