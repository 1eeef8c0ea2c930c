"""Any request that can be written down, through any method.

It is answered, or refused with an error of the API. Never an internal error.
"""

import random
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.apiserver import Harness, make_apiserver
from vaina.errors import ApiError, InternalError
from vaina.serving.handlers import RequestContext
from vaina.testing.builders import make_config_map, make_node, make_pod, make_replica_set

#: requests of one example
_CALLS: Final = 60
_TEXTS: Final = (
    "", "a", "x" * 300, "é", "\x00", "1", "-1", "9E", "10e18", "1Gi", "25%", "101%", "a/b", "kubernetes.io/x", "{}", "null", "cpu",
    "Always", "RollingUpdate", "Indexed", "In", "Exists", "Percent", "Delete", "Foreground", "*/5 * * * *", "standard", "All",
)  # fmt: skip
#: of objects that are there
_NAMES: Final = ("web", "placed", "waiting", "n1", "a")
_NUMBERS: Final = (0, 1, -1, 7, 65536, 2**31 - 1, -(2**31))


def _set_something(rng: random.Random, message: Any, depth: int = 0) -> None:
    """Set a field, somewhere below, to something."""
    fields = message.DESCRIPTOR.fields
    if not fields or depth > 9:
        return
    field = rng.choice(fields)
    if field.message_type is None:
        value = _scalar(rng, field)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    elif field.message_type.GetOptions().map_entry:
        values, kind = getattr(message, field.name), field.message_type.fields_by_name["value"]
        if kind.message_type is None:
            values[rng.choice(_TEXTS)] = _scalar(rng, kind)
        else:
            _set_something(rng, values[rng.choice(_TEXTS)], depth + 1)
    elif field.is_repeated:
        items = getattr(message, field.name)
        _set_something(rng, items.add() if not items or rng.random() < 0.3 else rng.choice(items), depth + 1)
    else:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _set_something(rng, inner, depth + 1)


def _scalar(rng: random.Random, field: FieldDescriptor) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return rng.choice((b"", b"{}", b"\xff"))
        case FieldDescriptor.CPPTYPE_STRING:
            return rng.choice(_NAMES if field.name == "name" else _TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.CPPTYPE_INT32 | FieldDescriptor.CPPTYPE_INT64 | FieldDescriptor.CPPTYPE_ENUM:
            return rng.choice(_NUMBERS)
        case FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_UINT64:
            return rng.choice((0, 1, 2**32 - 1))
        case _:
            return 1.5


def _request(rng: random.Random, method: MethodDescriptor) -> bytes:
    made: Message = message_factory.GetMessageClass(method.input_type)()
    for _ in range(rng.randrange(1, 7)):
        _set_something(rng, made)
    return made.SerializeToString()


async def _world() -> Harness:
    api = make_apiserver()
    await api.client.nodes.create(make_node("n1"))
    await api.client.pods.create(make_pod("placed", node="n1"))
    await api.client.pods.create(make_pod("waiting"))
    await api.client.replica_sets.create(make_replica_set("web", replicas=1))
    await api.client.config_maps.create(make_config_map("a"))
    return api


def _methods(api: Harness) -> list[tuple[MethodDescriptor, Any]]:
    """Return what takes one request and gives one answer."""
    found = []
    for path, method in api.app.handlers.items():
        service, _, name = path.removeprefix("/").partition("/")
        if service.startswith("vaina."):
            described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
            if not described.client_streaming and not described.server_streaming:
                found.append((described, method.fn))
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_any_request_is_answered_or_refused(seed: int) -> None:
    rng, api = random.Random(seed), await _world()
    methods, broken = _methods(api), []
    for _ in range(_CALLS):
        method, call = rng.choice(methods)
        data = _request(rng, method)
        try:
            await call(data, RequestContext())
        except InternalError:
            broken.append((method.full_name, data))
        except ApiError:
            continue  # whatever else is raised ends the test by itself
    assert broken == []
