"""Volumes for claims, over all nodes at once, compared with one node at a time in a plain loop."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.framework.interface import decode
from scheduler.volumes.matching import BIND_CONFLICT, REASONS, find, needs
from tests.unit.scheduler.objects import node, pod_class, table, term
from tests.unit.scheduler.volumes.storage import catalogue, claim, storage_class, user, volume

ZONES = ("a", "b", "c")
#: (GiB, zones that reach it: none is all, both ways of saying so)
VOLUME = st.tuples(st.integers(1, 4), st.sets(st.sampled_from(ZONES), max_size=2), st.booleans())


@given(
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=5),
    volumes=st.lists(VOLUME, max_size=6),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    makes=st.sampled_from([None, (), ("a",), ("b", "c")]),
)
def test_volumes_are_found_as_by_one_node_at_a_time(
    zones: list[str],
    volumes: list[tuple[int, set[str], bool]],
    sizes: list[int],
    makes: tuple[str, ...] | None,
) -> None:
    on = table(*(node(f"n{row}", labels={"zone": zone}) for row, zone in enumerate(zones)))
    made = []
    for number, (size, reach, plain) in enumerate(volumes):
        conditions = (
            [("zone", "In", sorted(reach))]
            if plain
            else [("zone", "In", sorted(reach)), ("zone", "Exists", [])]
        )
        where = term(*conditions) if reach else None  # type: ignore[arg-type]  # lists are sequences
        made.append(volume(f"v{number}", f"{size}Gi", on=where))
    claims = [claim(f"c{number}", f"{size}Gi") for number, size in enumerate(sizes)]
    provisioner = "" if makes is None else "example.com/disk"
    storage = catalogue(
        volumes=made, claims=claims, classes=[storage_class(provisioner=provisioner, zones=makes or ())]
    )
    need = needs(storage, pod_class(user(*(item.metadata.name for item in claims))))
    nodes = on.snapshot()
    found = find(storage, need, nodes)
    for row, zone in enumerate(zones):
        taken: set[str] = set()
        binds, provisions, fits = [], [], True
        for number in sorted(range(len(sizes)), key=lambda number: sizes[number]):
            fitting = [
                (size, f"v{index}")
                for index, (size, reach, _) in enumerate(volumes)
                if size >= sizes[number] and (not reach or zone in reach) and f"v{index}" not in taken
            ]
            if fitting:
                name = min(fitting)[1]
                taken.add(name)
                binds.append((f"default/c{number}", name))
            else:
                provisions.append(f"default/c{number}")
                fits &= makes is not None and (not makes or zone in makes)
        assert decode(int(found.codes[row]), REASONS) == ([] if fits else [BIND_CONFLICT])
        if fits:
            plan = found.plan(nodes, row)
            assert (plan.binds, plan.provisions) == (tuple(binds), tuple(provisions))
