"""Which version this is: the Kubernetes version whose behaviour is followed, and ours beside it.

Clients and operators compare what a cluster calls itself with Kubernetes' versions, so that is what every
component says; vaina's own version is its build metadata (semver.org, 10), which is not compared.
"""

from typing import Final

#: of this package
VERSION: Final = "0.1.0"
#: the Kubernetes version that is followed: that of the interop tests' modules (tests/interop/go.mod)
KUBERNETES_VERSION: Final = "1.37.2"
MAJOR, MINOR = KUBERNETES_VERSION.split(".")[:2]
#: both
GIT_VERSION: Final = f"v{KUBERNETES_VERSION}+vaina.{VERSION}"

#: how Go, and so Kubernetes, calls the machines that uname calls otherwise
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def architecture(machine: str) -> str:
    """Return Go's name of a machine that uname named, as Nodes and versions tell it."""
    return _ARCHITECTURES.get(machine, machine)
