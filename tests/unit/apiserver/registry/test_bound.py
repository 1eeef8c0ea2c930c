"""Pods that are bound by their bytes.

Those of a form become what parsing and encoding would make of them, and no others are of it.
"""

import pytest

from apiserver.registry.bound import Form, Moulds, cut, form_of
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Conflict
from vaina.testing.builders import make_pod

UID = "0b7f1c5e-7a0f-4a4e-9d0f-123456789012"


def _pod(name: str = "web", uid: str = UID, note: str = "", labels: int = 2) -> pod_pb2.Pod:
    pod = make_pod(name, created=None)
    pod.metadata.uid = uid
    pod.metadata.labels.update({f"l{number}": "x" for number in range(labels)})
    if note:
        pod.metadata.annotations["note"] = note
    return pod


def _encoded(pod: pod_pb2.Pod) -> bytes:
    return pod.SerializeToString(deterministic=True)


def _place(pod: pod_pb2.Pod, node: str) -> None:
    pod.spec.node_name = node


def _form(pod: pod_pb2.Pod) -> Form:
    moulds, data = Moulds(_place), _encoded(pod)
    parts = cut(data)
    assert parts is not None
    assert moulds.of(parts.tail) is None, "a mould is made for the second"
    mould = moulds.of(parts.tail)
    assert mould is not None
    form = form_of(data, parts, mould)
    assert form is not None
    return form


@pytest.mark.parametrize("note", ["", "x" * 40, "é" * 60, "x" * 16_384])
@pytest.mark.parametrize("node", ["n", "m" * 127, "m" * 128, "m" * 253])
@pytest.mark.parametrize("name", ["a", "web", "x" * 63, "x" * 127])
def test_pods_of_a_form_become_what_parsing_and_encoding_make_of_them(
    note: str, node: str, name: str
) -> None:
    form = _form(_pod("z" * len(name), note=note))
    for uid in (UID, UID.replace("1", "2")):
        pod = _pod(name, uid, note)
        data = _encoded(pod)
        _place(pod, node)
        assert form.cast(data, name, uid, node) == _encoded(pod)


def test_a_pod_with_anything_else_is_not_of_the_form() -> None:
    form, bound, ending, hosted = _form(_pod()), _pod(), _pod(), _pod()
    bound.spec.node_name, hosted.spec.hostname = "n", "h"
    ending.metadata.deletion_timestamp.seconds = 9
    for pod in (bound, ending, hosted, _pod(labels=3), _pod(note="x")):
        assert form.cast(_encoded(pod), "web", UID, "n") is None
    assert form.cast(_encoded(_pod()), "web", UID, "n") is not None
    assert form.cast(_encoded(_pod()) + b"\xfa\x01\x01x", "web", UID, "n") is None


@pytest.mark.parametrize("name", ["we", "webb", "wex", "é", "x" * 300, ""])
@pytest.mark.parametrize("uid", [UID, UID[:-1], UID + "3", UID.replace("1", "2"), ""])
def test_a_pod_of_another_name_or_uid_is_not_the_one_that_is_meant(name: str, uid: str) -> None:
    form, data = _form(_pod()), _encoded(_pod())
    assert form.cast(data, name, UID, "n") is None
    if uid != UID:
        assert form.cast(data, "web", uid, "n") is None


def test_what_cannot_be_bound_has_no_mould_however_often_it_is_asked_for() -> None:
    tried: list[str] = []

    def refuse(pod: pod_pb2.Pod, node: str) -> None:
        tried.append(node)
        raise Conflict("it is bound already")

    moulds, parts = Moulds(refuse), cut(_encoded(_pod()))
    assert parts is not None
    assert [moulds.of(parts.tail) for _ in range(5)] == [None] * 5
    assert len(tried) == 1
