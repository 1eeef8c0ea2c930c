"""What a namespace's labels say of its Pods. `tests/component/test_pod_security_interop.py` asks upstream."""

from typing import NamedTuple

import pytest

from apiserver.admission.pod_security.levels import LATEST, PRIVILEGED, Level, LevelVersion, Policy, policy_of

_NONE = LevelVersion(Level.PRIVILEGED)
_BASELINE = LevelVersion(Level.BASELINE)
_RESTRICTED = LevelVersion(Level.RESTRICTED)


class Case(NamedTuple):
    name: str
    labels: dict[str, str]
    want: Policy
    wrong: list[str] = []  # noqa: RUF012 - never changed
    defaults: Policy = PRIVILEGED


CASES = (
    Case("without labels the defaults hold", {}, Policy(_BASELINE, _NONE, _NONE), defaults=Policy(_BASELINE, _NONE, _NONE)),
    Case("who enforces a level is warned of it", {"enforce": "baseline"}, Policy(_BASELINE, _NONE, _BASELINE)),
    Case(
        "... in the version that is enforced", {"enforce": "restricted", "enforce-version": "v1.30"},
        Policy(LevelVersion(Level.RESTRICTED, 30), _NONE, LevelVersion(Level.RESTRICTED, 30)),
    ),
    Case(
        "... unless warnings have a version of their own",
        {"enforce": "restricted", "enforce-version": "v1.30", "warn-version": "latest"},
        Policy(LevelVersion(Level.RESTRICTED, 30), _NONE, _RESTRICTED),
    ),
    Case("... or a level", {"enforce": "restricted", "warn": "privileged"}, Policy(_RESTRICTED, _NONE, _NONE)),
    Case("each mode has its own", {"audit": "restricted", "warn": "baseline"}, Policy(_NONE, _RESTRICTED, _BASELINE)),
    Case(
        "a level that is none is taken for the strictest, where it is enforced", {"enforce": "Baseline"},
        Policy(_RESTRICTED, _NONE, _NONE),
        ['metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "Baseline": '
         "must be one of privileged, baseline, restricted"],
    ),
    Case(
        "... and for none elsewhere", {"audit": "", "warn": "strict"}, PRIVILEGED,
        ['metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "": '
         "must be one of privileged, baseline, restricted",
         'metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "strict": '
         "must be one of privileged, baseline, restricted"],
    ),
    Case(
        "a version that is none is taken for the latest", {"enforce": "baseline", "enforce-version": "1.30"},
        Policy(_BASELINE, _NONE, _BASELINE),
        ['metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "1.30": must be "latest" or "v1.x"'],
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_labels(case: Case) -> None:
    labels = {f"pod-security.kubernetes.io/{name}": value for name, value in case.labels.items()}
    policy, errors = policy_of(labels, case.defaults)
    assert policy == case.want
    assert [str(error) for error in errors] == case.wrong


def test_levels_are_shown_with_their_version() -> None:
    assert str(LevelVersion(Level.BASELINE, LATEST)) == "baseline:latest"
    assert str(LevelVersion(Level.RESTRICTED, 7)) == "restricted:v1.7"
