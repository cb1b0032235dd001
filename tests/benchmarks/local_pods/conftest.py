"""An API server for all these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.elsewhere import Elsewhere, elsewhere


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    # The lab of the command hides what is in /dev/shm, but reads the file before.
    with elsewhere(tmp_path_factory.mktemp("elsewhere")) as found:
        yield found
