"""docs/checklists/new-kind.md: what a row needs, and what follows from it, for every row."""

from typing import Any

import pytest

from apiserver.services.descriptors import service_descriptor
from apiserver.validation import validate_create
from cli.printers.objects import make_table
from tests.support.apiserver import make_apiserver
from vaina.kinds import KINDS, Kind

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


@each_kind
def test_the_row_has_a_service_of_its_message(kind: Kind[Any]) -> None:
    methods = service_descriptor(kind.service).methods_by_name
    assert methods["Get"].output_type is kind.message.DESCRIPTOR
    assert ("Create" in methods) == ("CreateBatch" in methods)
    listed = methods["List"].output_type.fields_by_name
    assert listed["items"].message_type is kind.message.DESCRIPTOR
    assert (listed["metadata"].number, listed["items"].number) == (1, 2)


@each_kind
def test_the_row_has_rules(kind: Kind[Any]) -> None:
    assert any(error.field == "metadata.name" for error in validate_create(kind, kind.message()))


@each_kind
def test_the_row_has_a_table_with_as_many_cells_as_headers(kind: Kind[Any]) -> None:
    table = make_table(kind, [kind.message()], 0.0)
    assert [len(row) for row in table.rows] == [len(table.headers)]


@each_kind
async def test_a_client_of_the_row_is_served(kind: Kind[Any]) -> None:
    found = await make_apiserver().client.kind(kind).list()
    assert found.resource_version
