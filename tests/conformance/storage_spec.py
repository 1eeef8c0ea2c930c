"""What every `Storage` must do: run against memory, etcd, and the cacher over both.

A test module subclasses `StorageSpec` and provides the fixture `harness`. The cases stand by subject in
`storage/`.
"""

from tests.conformance.storage.expiry_spec import ExpirySpec
from tests.conformance.storage.guaranteed_spec import GuaranteedSpec
from tests.conformance.storage.harness import Harness
from tests.conformance.storage.others_spec import OthersSpec
from tests.conformance.storage.paging_spec import PagingSpec
from tests.conformance.storage.reads_spec import ReadsSpec
from tests.conformance.storage.resume_spec import ResumeSpec
from tests.conformance.storage.selection_spec import SelectionSpec
from tests.conformance.storage.unreadable_spec import UnreadableSpec
from tests.conformance.storage.watch_spec import WatchSpec
from tests.conformance.storage.writes_spec import WritesSpec

__all__ = ["Harness", "StorageSpec"]


class StorageSpec(
    WritesSpec,
    GuaranteedSpec,
    ReadsSpec,
    PagingSpec,
    WatchSpec,
    ResumeSpec,
    SelectionSpec,
    ExpirySpec,
    OthersSpec,
    UnreadableSpec,
):
    """All cases."""
