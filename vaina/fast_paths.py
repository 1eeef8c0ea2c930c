"""Which accelerators a service runs with: `--fast-paths=all`, `none`, or names with commas between them.

An accelerator does what the plain path does, faster: it stands behind the same Protocol and is switched on in
the service's `build.py`, nowhere else. Each service says in its `fast_paths.py` which it has;
docs/fast-paths.md says what each gives.
"""

from collections.abc import Collection, Mapping

from vaina.config import ConfigError

ALL, NONE = "all", "none"


def choose(given: Collection[str], known: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the accelerators that are on.

    Args:
        given: what the configuration says: `all`, `none`, or names.
        known: the service's accelerators: the name, and what it does.

    Raises:
        ConfigError: a name that the service does not have, or `all` or `none` beside others.
    """
    names = frozenset(given)
    if names == {ALL}:
        return frozenset(known)
    if names == {NONE}:
        return frozenset()
    if not names or (wrong := sorted(names - frozenset(known))):
        said = ", ".join(f'"{name}"' for name in wrong) if names else "nothing"
        allowed = ", ".join((ALL, NONE, *sorted(known)))
        raise ConfigError(f"fast_paths: {said} (allowed: {allowed}; {ALL} and {NONE} stand alone)")
    return names
