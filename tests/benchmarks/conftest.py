"""What several tests of the comparison need."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the lab does not hide, as it does tmp_path where the tests themselves run in a lab."""
    with TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)
