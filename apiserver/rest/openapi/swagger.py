"""PURE: all documents as one of OpenAPI 2, in JSON and in gnostic's protobuf.

Older clients read it: kubectl up to 1.28, and others that merge lists by it. Follows what a kube-apiserver
publishes (kubernetes `api/openapi-spec/swagger.json`, made by kube-openapi `pkg/builder`); parameters are
written where they are used. The messages are those of github.com/google/gnostic-models,
`openapiv2/OpenAPIv2.proto`.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from apiserver.rest.openapi.schemas import Json
from vaina.api.openapi.v2 import openapi_pb2

_V3, _V2 = "#/components/schemas/", "#/definitions/"
#: what OpenAPI 3 says of a schema and 2 does not
_UNKNOWN: Final = frozenset(("default", "oneOf"))
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_SCHEMES: Final = ("https",)
_HEAD: Final[Json] = {
    "swagger": "2.0",
    "info": {"title": "Kubernetes", "version": "unversioned"},
    "securityDefinitions": {
        "BearerToken": {
            "type": "apiKey",
            "name": "authorization",
            "in": "header",
            "description": "Bearer Token authentication",
        }
    },
    "security": [{"BearerToken": []}],
}


def swagger(documents: Iterable[Json]) -> tuple[bytes, bytes]:
    """Return one document of OpenAPI 2 for several of OpenAPI 3, as JSON and as gnostic's Document.

    It is put together of parts, a document each: all at once would be a quarter of a million objects, which hold
    up everything else while they are counted and freed.
    """
    paths, definitions, known = list[bytes](), list[bytes](), set[str]()
    packed = [_head_in_protobuf()]
    for found in documents:
        part = _part(found, known)
        known.update(part["definitions"])
        paths.append(msgspec.json.encode(part["paths"])[1:-1])
        definitions.append(msgspec.json.encode(part["definitions"])[1:-1])
        packed.append(_part_in_protobuf(part))
    head = msgspec.json.encode(_HEAD)[:-1]
    texts = (b",".join(filter(None, paths)), b",".join(filter(None, definitions)))
    return b'%b,"paths":{%b},"definitions":{%b}}' % (head, *texts), b"".join(packed)


def _part(document: Json, known: Collection[str]) -> Json:
    schemas = document["components"]["schemas"]
    return {
        "paths": {path: _item(item) for path, item in document["paths"].items()},
        "definitions": {name: _schema(one) for name, one in schemas.items() if name not in known},
    }


def _schema(schema: Json) -> Json:
    found: Json = {}
    for name, value in schema.items():
        if name == "$ref":
            found[name] = value.replace(_V3, _V2)
        elif name == "allOf":
            found.update(_schema(value[0]))
        elif name in ("items", "additionalProperties"):
            found[name] = _schema(value)
        elif name == "properties":
            found[name] = {field: _schema(one) for field, one in value.items()}
        elif name not in _UNKNOWN:
            found[name] = value
    if "oneOf" in schema:
        # What may be a number or a text: all clients write a text.
        found["type"] = "string"
    return found


def _item(item: Json) -> Json:
    found: Json = {method: _operation(item[method]) for method in _METHODS if method in item}
    if "parameters" in item:
        found["parameters"] = [_parameter(one) for one in item["parameters"]]
    return found


def _operation(operation: Json) -> Json:
    found = {name: value for name, value in operation.items() if name not in ("requestBody", "parameters")}
    parameters = [_parameter(one) for one in operation.get("parameters", ())]
    body = operation.get("requestBody")
    found["consumes"] = ["*/*"] if body is None else [*body["content"]]
    if body is not None:
        schema = next(iter(body["content"].values()))["schema"]
        required = {"required": True} if body.get("required") else {}
        parameters.insert(0, {"name": "body", "in": "body", "schema": _schema(schema), **required})
    if parameters:
        found["parameters"] = parameters
    found["produces"] = [*operation["responses"]["200"]["content"]]
    found["responses"] = {code: _answer(one) for code, one in operation["responses"].items()}
    found["schemes"] = [*_SCHEMES]
    return found


def _parameter(parameter: Json) -> Json:
    return {**{name: value for name, value in parameter.items() if name != "schema"}, **parameter["schema"]}


def _answer(answer: Json) -> Json:
    if "content" not in answer:
        return answer
    schema = next(iter(answer["content"].values()))["schema"]
    return {"description": answer["description"], "schema": _schema(schema)}


def _head_in_protobuf() -> bytes:
    found = openapi_pb2.Document(swagger=_HEAD["swagger"], info=_HEAD["info"])
    for name, key in _HEAD["securityDefinitions"].items():
        one = found.security_definitions.additional_properties.add(name=name)
        one.value.api_key_security.CopyFrom(openapi_pb2.ApiKeySecurity(**key))
        found.security.add().additional_properties.add(name=name).value.SetInParent()
    return found.SerializeToString()


def _part_in_protobuf(part: Json) -> bytes:
    """Return paths and definitions; behind others they are taken as more of them."""
    found = openapi_pb2.Document()
    for path, item in part["paths"].items():
        _write_item(found.paths.path.add(name=path).value, item)
    for name, schema in part["definitions"].items():
        _write_schema(found.definitions.additional_properties.add(name=name).value, schema)
    return found.SerializeToString()


def _write_schema(out: openapi_pb2.Schema, schema: Json) -> None:
    for name, value in schema.items():
        if name == "$ref":
            out.ref = value
        elif name == "type":
            out.type.value.append(value)
        elif name in ("format", "description"):
            setattr(out, name, value)
        elif name == "required":
            out.required.extend(value)
        elif name == "items":
            _write_schema(out.items.schema.add(), value)
        elif name == "additionalProperties":
            _write_schema(out.additional_properties.schema, value)
        elif name == "properties":
            for field, one in value.items():
                _write_schema(out.properties.additional_properties.add(name=field).value, one)
        else:
            _write_extension(out.vendor_extension, name, value)


def _write_extension(out: Any, name: str, value: Any) -> None:
    out.add(name=name).value.yaml = msgspec.json.encode(value).decode()


def _write_item(out: openapi_pb2.PathItem, item: Json) -> None:
    for method in _METHODS:
        if method in item:
            _write_operation(getattr(out, method), item[method])
    _write_parameters(out.parameters, item.get("parameters", ()))


def _write_operation(out: openapi_pb2.Operation, operation: Json) -> None:
    out.description, out.operation_id = operation["description"], operation["operationId"]
    for name in ("tags", "produces", "consumes", "schemes"):
        getattr(out, name).extend(operation[name])
    _write_parameters(out.parameters, operation.get("parameters", ()))
    for code, answer in operation["responses"].items():
        response = out.responses.response_code.add(name=code).value.response
        response.description = answer["description"]
        if "schema" in answer:
            _write_schema(response.schema.schema, answer["schema"])
    for name, value in operation.items():
        if name.startswith("x-"):
            _write_extension(out.vendor_extension, name, value)


def _write_parameters(out: Any, parameters: Iterable[Json]) -> None:
    for parameter in parameters:
        one = out.add().parameter
        if parameter["in"] == "body":
            body = one.body_parameter
            body.name, body.required = parameter["name"], parameter.get("required", False)
            setattr(body, "in", "body")
            _write_schema(body.schema, parameter["schema"])
            continue
        fields = {name: parameter[name] for name in ("name", "in", "description", "type")}
        more = {"unique_items": True, "required": parameter.get("required", False)}
        if parameter["in"] == "path":
            path = openapi_pb2.PathParameterSubSchema(**fields, **more)
            one.non_body_parameter.path_parameter_sub_schema.CopyFrom(path)
        else:
            query = openapi_pb2.QueryParameterSubSchema(**fields, **more)
            one.non_body_parameter.query_parameter_sub_schema.CopyFrom(query)
