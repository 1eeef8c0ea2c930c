"""Whom a Pod belongs to: asked for over the whole apiserver in this process."""

from dashboard.life.family import MAX_CHILDREN, children_of, selector_of
from dashboard.life.relatives import find_family
from tests.support.apiserver import make_apiserver
from vaina.testing.builders import make_deployment, make_pod, make_replica_set, owner_ref


async def test_a_pod_has_a_chain_of_owners_with_what_they_own() -> None:
    clients = make_apiserver().client
    deployment = await clients.deployments.create(make_deployment("shop"))
    mine = make_replica_set("shop-1", labels={"app": "shop"})
    mine.metadata.labels["app"] = "shop"
    mine.metadata.owner_references.append(owner_ref("Deployment", "shop", deployment.metadata.uid))
    replica_set = await clients.replica_sets.create(mine)
    owner = owner_ref("ReplicaSet", "shop-1", replica_set.metadata.uid)
    for name in ("shop-1-b", "shop-1-a"):
        await clients.pods.create(make_pod(name, labels={"app": "shop"}, owner=owner))
    # It has the labels, and another owner.
    await clients.pods.create(make_pod("stray", labels={"app": "shop"}))
    family = (await find_family(clients, await clients.pods.get("shop-1-a", "default"))).shown()
    assert [(one["kind"], one["name"], one["found"]) for one in family["owners"]] == [
        ("ReplicaSet", "shop-1", True), ("Deployment", "shop", True),
    ]  # fmt: skip
    assert [[child["name"] for child in one["children"]] for one in family["owners"]] == [
        ["shop-1-a", "shop-1-b"], ["shop-1"],
    ]  # fmt: skip
    assert not any(one["more"] for one in family["owners"])


async def test_an_owner_that_is_gone_replaced_or_of_another_kind_is_named_and_not_followed() -> None:
    clients = make_apiserver().client
    await clients.replica_sets.create(make_replica_set("again"))
    for reference in (
        owner_ref("ReplicaSet", "gone", "u"),
        owner_ref("ReplicaSet", "again", "the uid of the one before"),
        owner_ref("Evil", "<script>", "u"),
    ):
        [owner] = (await find_family(clients, make_pod("web", owner=reference))).shown()["owners"]
        assert (owner["kind"], owner["name"], owner["found"], owner["children"]) == (
            reference.kind, reference.name, False, [],
        )  # fmt: skip


async def test_of_many_children_some_are_shown() -> None:
    clients = make_apiserver().client
    replica_set = await clients.replica_sets.create(make_replica_set("many", labels={"app": "many"}))
    owner = owner_ref("ReplicaSet", "many", replica_set.metadata.uid)
    for number in range(MAX_CHILDREN + 1):
        await clients.pods.create(make_pod(f"many-{number:03}", labels={"app": "many"}, owner=owner))
    [shown] = (await find_family(clients, await clients.pods.get("many-007", "default"))).shown()["owners"]
    assert (len(shown["children"]), shown["more"]) == (MAX_CHILDREN, True)


async def test_a_pod_without_owners_has_none_and_owners_without_selectors_ask_for_all() -> None:
    clients = make_apiserver().client
    assert (await find_family(clients, make_pod("web"))).shown() == {"owners": [], "owned": []}
    assert selector_of(make_pod("web")) == ""
    assert children_of(make_replica_set("a", uid="x"), [make_pod("b")]) == []
