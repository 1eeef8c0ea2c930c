"""Rules are gathered from what a role selects, and again when that changes."""

from contextlib import aclosing
from typing import Any

from apiserver.authorization.attributes import Attributes
from controller.base import Tools
from controller.clusterrole_aggregation import ClusterRoleAggregationController, gathered
from tests.support.apiserver import cached_apiserver
from tests.support.rbac import empty_roles, make_binding, make_role, rule
from tests.support.tasks import running
from vaina.cache.informer import InformerFactory
from vaina.clock import SystemClock
from vaina.controller import run_controllers
from vaina.kinds import CLUSTER_ROLE
from vaina.serving.handlers import User

READ, WRITE, OTHER = rule("get", "pods"), rule("create", "pods"), rule("get", "nodes")


def labelled(name: str, *rules: Any, label: str = "mine") -> Any:
    role = make_role(name, *rules)
    role.metadata.labels[label] = "true"
    return role


def aggregating(name: str, *labels: str) -> Any:
    role = make_role(name)
    for label in labels:
        role.aggregation_rule.cluster_role_selectors.add().match_labels[label] = "true"
    return role


def test_each_rule_is_there_once_by_selector_and_name() -> None:
    roles = [
        labelled("b", WRITE, READ),
        labelled("a", READ),
        make_role("c", OTHER),
        labelled("d", OTHER, label="its"),
    ]
    assert gathered(aggregating("all", "its", "mine"), roles) == [OTHER, READ, WRITE]
    assert gathered(aggregating("none", "nothing"), roles) == []


def test_a_role_does_not_gather_its_own_rules() -> None:
    role = aggregating("a", "mine")
    role.metadata.labels["mine"] = "true"
    role.rules.append(WRITE)
    assert gathered(role, [role, labelled("b", READ)]) == [READ]


async def test_admin_edit_and_view_get_their_rules_and_follow_what_changes() -> None:
    async with cached_apiserver(roles=True) as api:
        await api.app.bootstrap()
        factory = InformerFactory(api.client, SystemClock())
        controller = ClusterRoleAggregationController(Tools(SystemClock()), factory)
        async with running(run_controllers(factory, [controller])):
            roles = api.client.kind(CLUSTER_ROLE)

            async def wait_for(name: str, what: Any) -> Any:
                async with aclosing(roles.watch(field_selector=f"metadata.name={name}")) as batches:
                    async for batch in batches:
                        for event in batch.events:
                            if what in event.object.rules:
                                return event.object
                raise AssertionError("the watch ended")

            admin = await wait_for(
                "admin", rule("create", "localsubjectaccessreviews", "authorization.k8s.io")
            )
            await wait_for("admin", rule("get list watch", "namespaces"))
            widgets = labelled(
                "widgets",
                rule("get", "widgets", "example.com"),
                label="rbac.authorization.k8s.io/aggregate-to-view",
            )
            await roles.create(widgets)
            for name in ("view", "edit", "admin"):
                await wait_for(name, rule("get", "widgets", "example.com"))
            known = empty_roles()
            known.put_role(await roles.get("admin"))
            known.put_binding(make_binding(admin.metadata.name, "jane", namespace="x", kind="ClusterRole"))
            asked = Attributes(User("jane"), "delete", "apps", "deployments", "", "x")
            assert known.authorize(asked).is_allowed
            assert not known.authorize(asked._replace(namespace="y")).is_allowed
