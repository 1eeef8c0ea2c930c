"""Who may use an image that is on the node."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from kubelet.images.access import (
    Access,
    Credential,
    PulledRecord,
    PullSecret,
    Verification,
    VerificationPolicy,
    match,
    merged,
    read_policy,
    without_tag,
)
from kubelet.runtime.records import RegistryAuth

DIGEST = "sha256:" + "a" * 64
THEN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
EVERYBODY = Access(node_pods_accessible=True)


def secret(name: str = "mine", digest: str = "1", namespace: str = "ns") -> PullSecret:
    return PullSecret(f"uid-of-{name}", namespace, name, digest)


def having(*secrets: PullSecret) -> Sequence[Credential]:
    return [Credential(RegistryAuth(), one) for one in secrets]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("busybox", "busybox"),
        ("busybox:1.37", "busybox"),
        ("registry:5000/app", "registry:5000/app"),
        ("registry:5000/app:1", "registry:5000/app"),
        (f"registry:5000/app:1@{DIGEST}", "registry:5000/app"),
        (f"app@{DIGEST}", "app"),
    ],
)
def test_tags_and_digests_of_an_image_are_of_one_name(image: str, name: str) -> None:
    assert without_tag(image) == name


@pytest.mark.parametrize(
    ("known", "own", "expected"),
    [
        pytest.param([], [secret()], (False, None), id="nobody is known"),
        pytest.param([secret()], [], (False, None), id="no credentials"),
        pytest.param([secret()], [secret()], (True, None), id="the same"),
        pytest.param(
            [secret()],
            [secret("theirs", "1", "other")],
            (True, secret("theirs", "1", "other")),
            id="equal credentials of another Secret",
        ),
        pytest.param([secret()], [secret("theirs", "2", "other")], (False, None), id="others"),
        pytest.param(
            [secret()], [secret(digest="2")], (True, secret(digest="2")), id="the Secret has others now"
        ),
        pytest.param(
            [secret()], [secret("theirs", "2"), secret()], (True, None), id="one of several will do"
        ),
        pytest.param(
            [secret(namespace="a")], [secret(namespace="b", digest="2")], (False, None), id="a namesake"
        ),
    ],
)
def test_credentials_that_will_do(
    known: Sequence[PullSecret], own: Sequence[PullSecret], expected: tuple[bool, PullSecret | None]
) -> None:
    assert match(Access(kubernetes_secrets=tuple(known)), having(*own)) == expected


def test_no_more_is_written_down_than_a_hundred_secrets_without_a_pull() -> None:
    access = Access(kubernetes_secrets=tuple(secret(f"s{number}", str(number)) for number in range(100)))
    assert match(access, having(secret("new", "7"))) == (True, None)
    # A known Secret with other credentials has to pull, so that these are seen to be right.
    assert match(access, having(secret("s7", "other"))) == (False, None)


@pytest.mark.parametrize(
    ("before", "more", "after"),
    [
        (Access(), EVERYBODY, EVERYBODY),
        (Access(), Access(kubernetes_secrets=(secret(),)), Access(kubernetes_secrets=(secret(),))),
        (Access(kubernetes_secrets=(secret(),)), EVERYBODY, EVERYBODY),
        (EVERYBODY, Access(kubernetes_secrets=(secret(),)), EVERYBODY),
        (Access(kubernetes_secrets=(secret(),)), Access(), Access(kubernetes_secrets=(secret(),))),
        (
            Access(kubernetes_secrets=(secret("b"),)),
            Access(kubernetes_secrets=(secret("a"), secret("b", "2"))),
            Access(kubernetes_secrets=(secret("a"), secret("b", "2"))),
        ),
    ],
)
def test_what_is_known_besides_is_added(before: Access, more: Access, after: Access) -> None:
    record = PulledRecord(THEN, "id", {"app": before, "other": EVERYBODY})
    found = merged(record, "app:1", more, NOW)
    assert found.credential_mapping == {"app": after, "other": EVERYBODY}
    assert (found is record) == (before == after)
    assert found.last_updated_time == (THEN if before == after else NOW)


@pytest.mark.parametrize(
    ("policy", "image", "pulled", "there"),
    [
        (VerificationPolicy(), "app", True, False),
        (VerificationPolicy(Verification.NEVER), "app", False, False),
        (VerificationPolicy(Verification.ALWAYS), "app", True, True),
        (VerificationPolicy(Verification.UNLISTED, ["reg/app"]), "reg/app:1", False, False),
        (VerificationPolicy(Verification.UNLISTED, ["reg/app"]), "reg/apps", True, True),
        (VerificationPolicy(Verification.UNLISTED, ["reg/team/*"]), f"reg/team/app@{DIGEST}", False, False),
        (VerificationPolicy(Verification.UNLISTED, ["reg/team/*"]), "reg/team2/app", True, True),
    ],
)
def test_policies(policy: VerificationPolicy, image: str, *, pulled: bool, there: bool) -> None:
    asked = [policy.asks_for(image, is_pulled=is_pulled) for is_pulled in (True, False)]
    assert asked == [pulled, there]


@pytest.mark.parametrize(
    ("policy", "allowlist", "words"),
    [
        ("Sometimes", [], "image_pull_credentials_verification_policy: 'Sometimes' is none of NeverVerify, "),
        ("AlwaysVerify", ["app"], "is for the policy NeverVerifyAllowlistedImages alone"),
        ("NeverVerifyAllowlistedImages", ["reg/*/app"], "'reg/[*]/app' is no image"),
        ("NeverVerifyAllowlistedImages", ["/*"], "is no image"),
        ("NeverVerifyAllowlistedImages", [" app"], "is no image"),
        ("NeverVerifyAllowlistedImages", [""], "is no image"),
        ("NeverVerifyAllowlistedImages", ["app:1"], "'app:1' has a tag or a digest"),
    ],
)
def test_settings_that_are_none(policy: str, allowlist: Sequence[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_policy(policy, allowlist)


def test_settings() -> None:
    allowlist = ["registry:5000/app", "reg/*"]
    assert read_policy("NeverVerifyAllowlistedImages", allowlist) == VerificationPolicy(
        Verification.UNLISTED, ("registry:5000/app", "reg/*")
    )
