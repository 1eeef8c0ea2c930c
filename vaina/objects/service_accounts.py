"""Names around ServiceAccounts, as upstream has them; shared by the apiserver, controllers and kubelets.

Follows apiserver `pkg/authentication/serviceaccount/util.go` and `plugin/pkg/admission/serviceaccount`.
"""

from typing import Final

from vaina.objects import names

#: the account of Pods that name none; each namespace has it
DEFAULT_ACCOUNT: Final = "default"
USER_PREFIX: Final = "system:serviceaccount:"
#: all accounts are in it, and those of a namespace in this with the namespace's name behind a colon
GROUP: Final = "system:serviceaccounts"
#: annotation of an account: its Pods use no other Secrets than it names
ENFORCE_MOUNTABLE_SECRETS: Final = "kubernetes.io/enforce-mountable-secrets"
#: where containers find token, ca.crt and namespace
MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
#: ConfigMap of each namespace with the authority of the apiserver, and its key
ROOT_CA: Final = "kube-root-ca.crt"
ROOT_CA_KEY: Final = "ca.crt"
#: seconds a token holds that is mounted without being asked for; upstream tells such tokens from others by it
MOUNTED_SECONDS: Final = 3607
#: type of Secrets that hold a token for ever, and their annotations
TOKEN_SECRET_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type's name
ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
ACCOUNT_UID: Final = "kubernetes.io/service-account.uid"

_EXTRA: Final = "authentication.kubernetes.io/"
POD_NAME, POD_UID = f"{_EXTRA}pod-name", f"{_EXTRA}pod-uid"
NODE_NAME, NODE_UID = f"{_EXTRA}node-name", f"{_EXTRA}node-uid"
CREDENTIAL_ID: Final = f"{_EXTRA}credential-id"


def user_name(namespace: str, name: str) -> str:
    """Return the user name of an account."""
    return f"{USER_PREFIX}{namespace}:{name}"


def groups(namespace: str) -> tuple[str, str]:
    """Return the groups of a namespace's accounts."""
    return GROUP, f"{GROUP}:{namespace}"


def split_user_name(user: str) -> tuple[str, str] | None:
    """Return namespace and name of the account that a user is; None: it is none (SplitUsername)."""
    namespace, colon, name = user.removeprefix(USER_PREFIX).partition(":")
    if not user.startswith(USER_PREFIX) or not colon or ":" in name:
        return None
    if names.dns_1123_label(namespace) or names.dns_1123_subdomain(name):
        return None
    return namespace, name
