"""A client on stock grpcio, as `client.cjs` is one on grpc-js: `python -m tests.discovery.xds.client TARGET`.

It is a process of its own since grpc keeps its control plane for as long as the process lives.
"""

from __future__ import annotations

import collections
import json
import sys

import grpc

from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub


def main(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        stub = EchoStub(channel)
        for line in sys.stdin:
            asked = json.loads(line)
            metadata = tuple(asked["metadata"].items())
            try:
                replies = [stub.Echo(EchoRequest(), timeout=12, metadata=metadata) for _ in range(asked["count"])]
            except grpc.RpcError as error:
                told: object = {"error": f"{error.code().name}: {error.details()}"}
            else:
                told = {"pods": collections.Counter(reply.pod for reply in replies)}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
