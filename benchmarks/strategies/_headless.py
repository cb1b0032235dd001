"""A headless Service of the pods, which DNS answers with their addresses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.strategies import Beside

NAME = "echo-headless"


@asynccontextmanager
async def headless(stage: Beside) -> AsyncIterator[None]:
    """It is there for as long as the block lasts."""
    async with stage.cluster.further_service(NAME, "echo", clusterIP="None"):
        yield
