from apiserver.storage import keys
from apiserver.storage.interface import Key
from vaina.kinds import NODE, POD, POD_TRACE


def test_objects_are_stored_where_kubernetes_stores_them() -> None:
    assert keys.object_key(POD, "default", "web-1") == "/registry/pods/default/web-1"
    assert keys.object_key(NODE, "ignored", "n1") == "/registry/minions/n1"
    assert keys.namespace_prefix(POD, "") == keys.kind_prefix(POD) == "/registry/pods/"
    assert keys.namespace_prefix(POD, "x") == "/registry/pods/x/"
    assert keys.kind_prefix(POD_TRACE) == "/registry/vaina.dev/podtraces/"


def test_a_range_holds_exactly_the_keys_with_the_prefix() -> None:
    end = keys.range_end("/registry/pods/")
    assert end == b"/registry/pods0"
    assert b"/registry/pods/\xff" < end <= b"/registry/pods0"


def test_a_key_is_split_into_namespace_and_name() -> None:
    assert keys.split(Key("/registry/pods/default/a"), keys.kind_prefix(POD)) == ("default", "a")
    assert keys.split(Key("/registry/minions/n1"), keys.kind_prefix(NODE)) == ("", "n1")
