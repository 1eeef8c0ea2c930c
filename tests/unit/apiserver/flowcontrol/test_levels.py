import pytest

from apiserver.flowcontrol.levels import LEVELS, MUTATING, READ_ONLY, SCHEMAS, request_kind, schema_of
from vaina.kinds import CONFIG_MAP, EVENT, LEASE, NODE, POD, POD_TRACE
from vaina.serving.handlers import ANONYMOUS, UNSECURED, User

NODE_USER = User("system:node:n1", ("system:nodes", "system:authenticated"))
ADMIN = User("admin", ("system:masters", "system:authenticated"))
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
IN_THE_CLEAR = User(UNSECURED, ("system:masters", "system:authenticated"))


@pytest.mark.parametrize(
    ("user", "path", "level"),
    [
        (ANONYMOUS, POD.method("Create"), "global-default"),
        (ANONYMOUS, CONFIG_MAP.method("List"), "global-default"),
        (ANONYMOUS, NODE.method("Get"), "global-default"),
        (ANONYMOUS, NODE.method("UpdateStatus"), "node-high"),
        (ANONYMOUS, LEASE.method("Update"), "node-high"),
        (ANONYMOUS, POD.method("BindBatch"), "workload-high"),
        (ANONYMOUS, EVENT.method("CreateBatch"), "catch-all"),
        (ANONYMOUS, POD_TRACE.method("Report"), "catch-all"),
        (NODE_USER, POD.method("UpdateStatusBatch"), "node-high"),
        (NODE_USER, EVENT.method("Create"), "catch-all"),
        (SCHEDULER, POD.method("List"), "workload-high"),
        (ADMIN, EVENT.method("Create"), "exempt"),
        (IN_THE_CLEAR, POD.method("Create"), "global-default"),
        (IN_THE_CLEAR, LEASE.method("Update"), "node-high"),
        (IN_THE_CLEAR, POD.method("BindBatch"), "workload-high"),
        (User("nobody", ()), POD.method("Get"), "catch-all"),
    ],
)
def test_what_the_cluster_depends_on_goes_first(user: User, path: str, level: str) -> None:
    assert schema_of(user, path).level == level


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("Get", READ_ONLY), ("List", READ_ONLY), ("GetScale", READ_ONLY), ("Watch", READ_ONLY), ("Create", MUTATING),
     ("Bind", MUTATING), ("Report", MUTATING), ("Apply", MUTATING), ("DeleteCollection", MUTATING)],
)  # fmt: skip
def test_what_is_not_known_to_read_changes_something(verb: str, kind: str) -> None:
    assert request_kind(POD.method(verb)) == kind


def test_every_schema_names_a_level() -> None:
    assert {schema.level for schema in SCHEMAS} <= {level.name for level in LEVELS} | {"exempt"}
