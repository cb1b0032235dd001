"""Work that goes on for as long as a cluster does, and whose failure must not go unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """Tasks that run until the `async with` block ends; the first failure cancels the block and is raised by it.

    An asyncio.TaskGroup does the same, but wraps the block's own exceptions in an ExceptionGroup, and lets those
    wait forever who wait in another task than the block's for what a failed task was to bring about.
    """

    async def __aenter__(self) -> Self:
        owner = asyncio.current_task()
        assert owner is not None
        self._owner = owner
        self._cancelled_owner = False
        self._leaving = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaving = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Whoever else has cancelled the block too, as Ctrl-C does, comes first.
        cancelled_by_others = self._cancelled_owner and self._owner.uncancel() > 0
        failure = self._failed.exception() if self._failed.done() else None
        if failure is not None and not cancelled_by_others:
            raise failure

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run it until it ends or the block does."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result, unless a task fails before it is done: then that task's failure is raised."""
        task = asyncio.create_task(work)
        either: set[asyncio.Future[Any]] = {task, self._failed}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._failed.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is None or self._failed.done():
            return
        self._failed.set_exception(failure)
        if not self._leaving:
            self._cancelled_owner = self._owner.cancel()


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all; the first failure cancels the others and is raised as it is, not in an ExceptionGroup."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
