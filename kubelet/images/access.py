"""PURE: which Pods may use an image that is on the node already, by who has pulled it.

A Pod that comes with credentials (imagePullSecrets) pulls an image for itself: another Pod, of another namespace
perhaps, has to show that it may have it too, though it is there. What is written down of a pull is upstream's
ImagePulledRecord (`k8s.io/kubelet/config/v1beta1`); the rules are those of `pkg/kubelet/images/pullmanager`
(feature KubeletEnsureSecretPulledImages, on by default since 1.35).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from kubelet.runtime.records import RegistryAuth

#: Secrets of an image, up to which more are written down without a pull (writeRecordWhileMatchingLimit)
_MOST_NOTED: Final = 100
_TAG: Final = re.compile(r":[\w][\w.-]*$")


class Verification(StrEnum):
    """Of which images a Pod has to show that it may have them (`imagePullCredentialsVerificationPolicy`)."""

    NEVER = "NeverVerify"
    #: of those that this kubelet has pulled
    PULLED = "NeverVerifyPreloadedImages"
    #: of all but those that are listed
    UNLISTED = "NeverVerifyAllowlistedImages"
    ALWAYS = "AlwaysVerify"


class Checked(StrEnum):
    """Why an image may be used, or has to be pulled; as metrics have it."""

    BY_POLICY = "credentialPolicyAllowed"
    BY_RECORD = "credentialRecordFound"
    MUST_PULL = "mustAuthenticate"
    ERROR = "error"


class PullSecret(msgspec.Struct, frozen=True, rename="camel"):
    """The Secret with whose credentials an image was pulled."""

    uid: str
    namespace: str
    name: str
    #: of the credentials, so that others' Secrets with the same ones will do
    credential_hash: str

    @property
    def coordinates(self) -> tuple[str, str, str]:
        return self.namespace, self.name, self.uid


class Access(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who may use an image under one name."""

    #: it was pulled by somebody without credentials
    node_pods_accessible: bool = False
    kubernetes_secrets: tuple[PullSecret, ...] = ()


class PulledRecord(msgspec.Struct, frozen=True, rename="camel"):
    """What is known of an image that the kubelet has pulled."""

    last_updated_time: datetime
    #: the image's id
    image_ref: str
    #: the image as Pods name it, without tag and digest -> who may use it
    credential_mapping: dict[str, Access] = {}
    kind: str = "ImagePulledRecord"
    api_version: str = "kubelet.config.k8s.io/v1beta1"


class PullIntent(msgspec.Struct, frozen=True, rename="camel"):
    """A pull that was begun.

    It outlives a kubelet that is killed, and keeps the image from being taken for one that was there before.
    """

    #: as the Pod names it
    image: str
    kind: str = "ImagePullIntent"
    api_version: str = "kubelet.config.k8s.io/v1beta1"


class Credential(NamedTuple):
    """How a Pod logs in to an image's registry."""

    auth: RegistryAuth
    #: where that is from
    secret: PullSecret


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """Of which images a Pod has to show that it may have them."""

    verification: Verification = Verification.PULLED
    #: names without tag or digest, or beginnings with /* at their end; of `Verification.UNLISTED`
    allowlist: Sequence[str] = ()

    def asks_for(self, image: str, *, is_pulled: bool) -> bool:
        """Say whether it is asked for an image; `is_pulled`: this kubelet pulls it, or has."""
        match self.verification:
            case Verification.NEVER:
                return False
            case Verification.PULLED:
                return is_pulled
            case Verification.UNLISTED:
                return not self._lists(without_tag(image))
            case Verification.ALWAYS:
                return True

    def _lists(self, name: str) -> bool:
        return any(
            name.startswith(entry[:-1]) if entry.endswith("/*") else name == entry for entry in self.allowlist
        )


def read_policy(verification: str, allowlist: Sequence[str]) -> VerificationPolicy:
    """Read the settings. Raises ValueError: there is no such policy, or the list is none, or not for it.

    Follows `pkg/kubelet/apis/config/validation` and `image_pull_policies.go` (getAllowlistImagePattern).
    """
    if verification not in list(Verification):
        known = ", ".join(Verification)
        raise ValueError(f"image_pull_credentials_verification_policy: {verification!r} is none of {known}")
    name = "preloaded_images_verification_allowlist"
    if allowlist and verification != Verification.UNLISTED:
        raise ValueError(f"{name} is for the policy {Verification.UNLISTED} alone, not for {verification}")
    for entry in allowlist:
        bare = entry.removesuffix("/*")
        if not bare.strip() or bare != bare.strip() or "*" in bare:
            raise ValueError(f"{name}: {entry!r} is no image, and no beginning of some with /* at its end")
        if bare == entry and without_tag(entry) != entry:
            raise ValueError(f"{name}: {entry!r} has a tag or a digest")
    return VerificationPolicy(Verification(verification), tuple(allowlist))


def without_tag(image: str) -> str:
    """Return an image as a Pod names it, without tag and digest (trimImageTagDigest)."""
    name = image.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{_TAG.sub('', last)}"


def access_by(credential: Credential | None) -> Access:
    """Return who may use an image that was pulled with a credential; None: it was pulled without any."""
    return (
        Access(node_pods_accessible=True)
        if credential is None
        else Access(kubernetes_secrets=(credential.secret,))
    )


def merged(record: PulledRecord, image: str, access: Access, now: datetime) -> PulledRecord:
    """Return a record with what is known besides; the same one when that is nothing new.

    Follows pulledRecordMergeNewCreds.
    """
    name = without_tag(image)
    before = record.credential_mapping.get(name, Access())
    if before.node_pods_accessible or access == Access():
        return record
    after = access
    if not access.node_pods_accessible:
        secrets = {one.coordinates: one for one in (*before.kubernetes_secrets, *access.kubernetes_secrets)}
        after = Access(kubernetes_secrets=tuple(secrets[key] for key in sorted(secrets)))
    if after == before:
        return record
    mapping = {**record.credential_mapping, name: after}
    return msgspec.structs.replace(record, credential_mapping=mapping, last_updated_time=now)


def known_access(record: PulledRecord | None, image: str) -> Access:
    """Return who may use an image under the name that a Pod has for it."""
    return Access() if record is None else record.credential_mapping.get(without_tag(image), Access())


def match(access: Access, credentials: Sequence[Credential]) -> tuple[bool, PullSecret | None]:
    """Say whether a Pod may use an image, by the credentials that it has for it (MustAttemptImagePull).

    Also returns the Secret to write down: another one with credentials that are known, or one that is known and
    has others now. Those are believed, as upstream: who has changed the Secret could read it before.
    """
    room = len(access.kubernetes_secrets) < _MOST_NOTED
    for _, own in credentials:
        for known in access.kubernetes_secrets:
            same_place = known.coordinates == own.coordinates
            if known.credential_hash == own.credential_hash:
                return True, None if same_place or not room else own
            if same_place and room:
                return True, own
    return False, None
