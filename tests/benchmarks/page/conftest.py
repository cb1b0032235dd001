"""A page of everything, drawn once for all who look at it."""

from pathlib import Path

import pytest

from benchmarks.page import document
from tests.benchmarks.page.synthetic import varied


@pytest.fixture(scope="package")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return document.write(varied(), tmp_path_factory.mktemp("page"))
