"""What is said of Pods that nothing replaces, and what is kept of those that have gone, on a real cluster."""

import pytest

from tests.support.manifests import as_text, container, pod, replica_set
from tests.support.workspace import Workspace, status_of

pytestmark = pytest.mark.beside_others


@pytest.mark.requirement("B18")
def test_who_makes_a_bare_pod_is_told_that_nothing_will_replace_it(space: Workspace) -> None:
    said = space.cli("apply", "-f", "-", stdin=as_text(pod("bare", container())), errors=True)
    assert 'Warning: Pod "bare" has no controller: nothing will replace it' in said
    said = space.cli("apply", "-f", "-", stdin=as_text(replica_set("kept", 1, container())), errors=True)
    assert "nothing will replace" not in said
    space.running("bare")
    space.delete("bare")
    space.gone("bare")
    assert [one.metadata.name for one in space.pods("app!=kept")] == []


@pytest.mark.requirement("B15")
def test_the_cause_is_found_after_the_container_and_after_the_pod(space: Workspace) -> None:
    script = "echo opening the ledger; echo no such ledger > /dev/termination-log; exit 3"
    space.apply(pod("books", container(script=script)))
    found = space.wait("books", lambda one: status_of(one).restart_count >= 1, "was restarted")
    last = status_of(found).last_state.terminated
    assert (last.exit_code, last.message.strip()) == (3, "no such ledger")
    assert space.cli("logs", "books", "--previous").strip() == "opening the ledger"
    why = space.cli("why", "books")
    assert "opening the ledger" in why
    assert "no such ledger" in why

    # It ends again, and is waited for.
    space.event("books", "BackOff")
    space.delete("books")
    space.gone("books")
    assert "books" in space.cli("why", "books")
    assert "BackOff" in {one.reason for one in space.events("books")}
    trace = space.cli("trace", "books")
    assert "STARTED" in trace
