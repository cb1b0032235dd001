"""What following a Service means here, whoever does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from kubernetes.client import Configuration

Published = Callable[[int, int | None], bool]
"""To be called after each new set, the first too: its version, and how many endpoints are ready (None: who does not
know). Whether that was the last one."""

Follow = Callable[[Configuration, str, Published], None]
"""Follow the slices of a Service until the last set."""

Hold = Callable[[Configuration, Sequence[str], Published], AbstractContextManager[None]]
"""Follow those of many Services while the block runs."""
