"""A headless Service of the pods, which DNS answers with their addresses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.strategies import Beside

NAME = "echo-headless.default.svc.cluster.local"


@asynccontextmanager
async def headless(stage: Beside) -> AsyncIterator[None]:
    """It is there for as long as the block lasts."""
    async with stage.cluster.further_service("echo-headless", "echo", clusterIP="None"):
        yield
