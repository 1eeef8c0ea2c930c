"""What a check of rights costs a call, with the default roles and 5,000 bindings more.

    python -m bench.authorization [--bindings 5000] [--output FILE]

  kept      the answer is known, as for nearly every call
  found     nothing is known: bindings and rules are gone through
  refused   the same, and nothing allows it
  many      the same, of a user with 1,000 bindings in the namespace, each to a role of its own
  check     what a handler does: question, kept answer, a note for the audit log
  changed   a binding is put in the place of itself

Each is the best of some rounds, in µs.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Union
from apiserver.authorization.checks import Checks
from apiserver.authorization.rbac import policy
from apiserver.authorization.rbac.roles import DEFAULTS, Roles
from apiserver.authorization.rbac.rule_builder import GROUP
from bench import report
from vaina.api.rbac.v1 import rbac_pb2
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, POD, ROLE, ROLE_BINDING
from vaina.serving.handlers import RequestContext, User

_ROUNDS, _CALLS = 7, 2_000
EDITOR = "system:aggregate-to-edit"


def make_binding(number: int) -> rbac_pb2.RoleBinding:
    """Return a binding that makes a user an editor of a namespace."""
    binding = rbac_pb2.RoleBinding()
    binding.metadata.name, binding.metadata.namespace = f"binding-{number}", f"namespace-{number % 500}"
    binding.role_ref.api_group, binding.role_ref.kind = GROUP, CLUSTER_ROLE.kind
    binding.role_ref.name = EDITOR
    binding.subjects.add(kind="User", api_group=GROUP, name=f"user-{number}")
    return binding


def make_roles(bindings: int) -> Roles:
    """Return the default roles, and so many bindings more."""
    roles = Roles()
    defaults: list[Any] = [*policy.cluster_roles(), *policy.roles()]
    for role in defaults:
        roles.put_role(role)
    bound: list[Any] = [*policy.cluster_role_bindings(), *policy.role_bindings()]
    for binding in (*bound, *map(make_binding, range(bindings))):
        roles.put_binding(binding)
    for what in (ROLE.kind, CLUSTER_ROLE.kind, ROLE_BINDING.kind, CLUSTER_ROLE_BINDING.kind, DEFAULTS):
        roles.filled(what)
    return roles


def put_many(roles: Roles) -> None:
    """Give a user 1,000 bindings in one namespace, each to a role of its own."""
    for number in range(1_000):
        role = rbac_pb2.Role()
        role.metadata.name, role.metadata.namespace = f"many-{number}", "many"
        rule = role.rules.add(verbs=["get"], api_groups=[""], resources=["configmaps"])
        rule.resource_names.append(f"c-{number}")
        binding = make_binding(number)
        binding.metadata.name, binding.metadata.namespace = f"many-{number}", "many"
        binding.role_ref.kind, binding.role_ref.name = ROLE.kind, role.metadata.name
        binding.subjects[0].name = "many"
        roles.put_role(role)
        roles.put_binding(binding)


def best(call: Callable[[], object], *, calls: int = _CALLS) -> float:
    """Return the µs of a call, in the best of some rounds."""
    rounds: list[float] = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        rounds.append((time.perf_counter() - begun) / calls)
    return min(rounds) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bindings", type=int, default=5_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    roles = make_roles(arguments.bindings)
    authorizer = Union((roles,))
    user = User("user-7", ("dev", "system:authenticated"))
    put_many(roles)
    asked = Attributes(user, "create", "", "pods", "", "namespace-7")
    check = Checks(authorizer).of(POD.method("Create"))

    def anew(question: Attributes) -> None:
        roles.filled(DEFAULTS)
        authorizer.authorize(question)

    found = {
        "kept": best(lambda: authorizer.authorize(asked)),
        "found": best(lambda: anew(asked)),
        "refused": best(lambda: anew(asked._replace(resource="nodes"))),
        "many": best(lambda: anew(asked._replace(user=User("many", ()), namespace="many")), calls=50),
        "check": best(lambda: check(RequestContext(user=user), "namespace-7"))
        - best(lambda: RequestContext(user=user)),
        "changed": best(lambda: roles.put_binding(make_binding(7))) - best(lambda: make_binding(7)),
    }
    for case, value in found.items():
        print(f"{case:10}{value:8.2f} µs")
    targets = [
        report.Target("µs of an answer that is kept", found["kept"], 5.0, at_most=True),
        report.Target("µs of an answer that is found", found["found"], 100.0, at_most=True),
        report.Target("µs of a check in a handler", found["check"], 10.0, at_most=True),
    ]
    report.show_targets(targets)
    if arguments.output is not None:
        report.write(arguments.output, "authorization", [], targets, found=found, bindings=arguments.bindings)


if __name__ == "__main__":
    main()
