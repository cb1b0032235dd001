"""The README shows what the committed result says, as `make readme` draws it."""

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from benchmarks.page import decisions, markdown, picture
from benchmarks.page.markdown import BEGIN, DECISIONS, END
from benchmarks.plan import FIRST_STRATEGIES
from benchmarks.result import Result

ROOT = Path(__file__).parents[3]
RESULT = ROOT / "docs" / "comparison.json"
PICTURE = ROOT / "docs" / "images" / "comparison.png"


def test_its_tables_and_verdicts_are_those_of_the_committed_result() -> None:
    text = (ROOT / "README.md").read_text()

    result = Result.read(RESULT)
    assert text.partition(f"{BEGIN}\n")[2].partition(END)[0] == markdown.render(result, FIRST_STRATEGIES)
    begin, end = DECISIONS
    assert text.partition(f"{begin}\n")[2].partition(end)[0] == markdown.decided(result)
    assert {row[0].partition("+")[0] for row in decisions.rows(result)} >= set(decisions.KNOWN)
    assert f"({PICTURE.relative_to(ROOT)})" in text


def test_its_picture_is_that_of_the_committed_result(tmp_path: Path) -> None:
    picture.write(Result.read(RESULT), tmp_path / "again.png")

    committed, again = imread(PICTURE), imread(tmp_path / "again.png")
    assert committed.shape == again.shape
    # Other versions of the font renderer differ in the edges of letters.
    assert np.abs(committed - again).mean() < 0.01
    assert committed.std() > 0.1
