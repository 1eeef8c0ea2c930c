"""A client that writes the largest objects there may be, one after the other, as a process of its own.

    python -m bench.rest_large apply --url https://127.0.0.1:6444 --ca ca.crt --certificate tls.crt
        --key tls.key --seconds 4

  apply    a ConfigMap of 549 KB by server-side apply, a value of which changes each time
  slice    EndpointSlices of 100,000 addresses, 1.4 MB, created in protobuf
  service  Services of 90,000 external addresses, 1.4 MB, created in protobuf
  status   the status of a Node with 50,000 addresses, 1.2 MB, in protobuf

Prints one JSON object, as `bench.rest_client`.
"""

import argparse
import asyncio
import json
import time
from typing import Any

from bench.rest_client import Calls, connect, flags, head
from vaina.api.core.v1 import node_pb2, service_pb2
from vaina.api.discovery.v1 import endpoint_slice_pb2
from vaina.client.rest.envelope import wrap

KEYS, ADDRESSES, SERVED, NODE_ADDRESSES = 10_000, 100_000, 90_000, 50_000
_CORE = "/api/v1"
#: a request: method, path, content type, body
Request = tuple[str, str, str, bytes]


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def apply(number: int) -> Request:
    """Return an apply of a ConfigMap."""
    data = {f"key-{at:06}": f"a value of some length, {at:08}" for at in range(KEYS)}
    data["key-000000"] = str(number)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": data}
    path = f"{_CORE}/namespaces/default/configmaps/large?fieldManager=bench"
    return "PATCH", path, "application/apply-patch+yaml", json.dumps(body).encode()


def slice_(number: int) -> Request:
    """Return a create of an EndpointSlice."""
    made = endpoint_slice_pb2.EndpointSlice(address_type="IPv4")
    made.metadata.name = f"large-{number}"
    for at in range(0, ADDRESSES, 100):
        made.endpoints.add(addresses=map(_address, range(at, at + 100)))
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    return "POST", path, "", wrap("discovery.k8s.io/v1", "EndpointSlice", made.SerializeToString())


def service(number: int) -> Request:
    """Return a create of a Service."""
    made = service_pb2.Service()
    made.metadata.name = f"large-{number}"
    made.spec.ports.add(port=80)
    made.spec.external_ips.extend(map(_address, range(1 << 20, SERVED + (1 << 20))))
    return "POST", f"{_CORE}/namespaces/default/services", "", wrap("v1", "Service", made.SerializeToString())


def status(number: int) -> Request:
    """Return an update of a Node's status; the first creates it."""
    made = node_pb2.Node()
    made.metadata.name = "large"
    if number:
        for at in range(NODE_ADDRESSES):
            made.status.addresses.add(type="InternalIP", address=_address(at + number))
    method, path = ("PUT", f"{_CORE}/nodes/large/status") if number else ("POST", f"{_CORE}/nodes")
    return method, path, "", wrap("v1", "Node", made.SerializeToString())


REQUESTS = {"apply": apply, "slice": slice_, "service": service, "status": status}


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write until the time is over; requests are made beforehand, so that the machine is the server's."""
    calls, connection = Calls(options), await connect(options)
    make, largest = REQUESTS[options.what], 0
    requests = [make(number) for number in range(12)]
    calls.began = time.perf_counter()
    for method, path, content_type, body in requests:
        start = time.perf_counter()
        if start - calls.began > options.seconds:
            break
        found = await connection.request(head(options, method, path, body, content_type), calls.got)
        calls.seconds.append(time.perf_counter() - start)
        calls.refused += found >= 300
        largest = max(largest, len(body))
    connection.close()
    return {**calls.summary(), "largest": largest}


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=REQUESTS)
    flags(parser)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options))), flush=True)


if __name__ == "__main__":
    main()
