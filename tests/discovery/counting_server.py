"""A gRPC server in a process of its own, to be killed: notes each request that it begins in a file, before it answers.

python -m tests.discovery.counting_server PORT FILE WORK_S
"""

import asyncio
import os
import sys
from typing import Any

from grpc import aio, method_handlers_generic_handler, unary_unary_rpc_method_handler

METHOD = "/count.Count/Do"


async def main(port: int, file: str, work_s: float) -> None:
    notes = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def do(request: bytes, context: Any) -> bytes:
        os.write(notes, request + b"\n")  # one write of a short line is whole, whoever else writes
        await asyncio.sleep(work_s)  # the work
        return request

    server = aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {"Do": unary_unary_rpc_method_handler(do)}
    server.add_generic_rpc_handlers((method_handlers_generic_handler("count.Count", handlers),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(bound, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
