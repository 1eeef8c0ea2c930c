"""The descriptors of all services.

Importing the generated modules registers them, for the generic verbs and for reflection.
"""

import pkgutil
from importlib import import_module
from typing import Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from vaina.kinds import KINDS

#: the packages of the kinds' services, and of those of which nothing is stored
_PACKAGES: Final = {kind.service.rpartition(".")[0] for kind in KINDS} | {
    "vaina.api.authentication.v1", "vaina.api.authorization.v1", "vaina.api.machinery.v1",
    "vaina.api.metrics.v1beta1",
}  # fmt: skip

for _package in sorted(_PACKAGES):
    for _module in pkgutil.iter_modules(import_module(_package).__path__, f"{_package}."):
        if _module.name.endswith("_service_pb2"):
            import_module(_module.name)


def service_descriptor(name: str) -> ServiceDescriptor:
    """Return the descriptor of a service by its full name. Raises KeyError."""
    return descriptor_pool.Default().FindServiceByName(name)
