"""What fills a claim stands in both of its fields, as upstream's strategy of claims has it (KEP-1495)."""

import pytest

from apiserver.defaulting.objects import default_claim, default_claim_object
from vaina.api.core.v1 import persistent_volume_pb2, reference_pb2

Claim = persistent_volume_pb2.PersistentVolumeClaim
Old, New = reference_pb2.TypedLocalObjectReference, reference_pb2.TypedObjectReference
SNAPSHOT = {"api_group": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "a"}
CLAIM = {"kind": "PersistentVolumeClaim", "name": "a"}
OTHER = {"api_group": "example.com", "kind": "Book", "name": "a"}


def claim(old: dict[str, str] | None, new: dict[str, str] | None) -> Claim:
    made = Claim()
    if old is not None:
        made.spec.data_source.CopyFrom(Old(**old))
    if new is not None:
        made.spec.data_source_ref.CopyFrom(New(**new))
    return made


@pytest.mark.parametrize(
    ("old", "new", "old_after", "new_after"),
    [
        (None, None, None, None),
        (CLAIM, None, CLAIM, CLAIM),
        (None, CLAIM, CLAIM, CLAIM),
        (SNAPSHOT, None, SNAPSHOT, SNAPSHOT),
        (None, SNAPSHOT, SNAPSHOT, SNAPSHOT),
        (None, OTHER, OTHER, OTHER),
        # Alone, the older field loses what it never took, and says nothing.
        (OTHER, None, None, None),
        (OTHER, OTHER, OTHER, OTHER),
        # What is of another namespace the older field cannot say.
        (None, CLAIM | {"namespace": "b"}, None, CLAIM | {"namespace": "b"}),
        # That they differ is for validation.
        (CLAIM, SNAPSHOT, CLAIM, SNAPSHOT),
        (OTHER, CLAIM, OTHER, CLAIM),
    ],
)
def test_what_fills_a_claim_stands_in_both_fields(
    old: dict[str, str] | None,
    new: dict[str, str] | None,
    old_after: dict[str, str] | None,
    new_after: dict[str, str] | None,
) -> None:
    made = claim(old, new)
    default_claim_object(made)
    wanted = claim(old_after, new_after)
    default_claim(wanted)
    assert made == wanted


def test_a_template_of_a_claim_stays_as_it_is() -> None:
    made = claim(CLAIM, None)
    default_claim(made)
    assert not made.spec.HasField("data_source_ref")
