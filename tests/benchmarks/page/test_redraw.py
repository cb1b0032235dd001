"""`--from`: pages, pictures and Markdown of a result that is there already."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from benchmarks import compare
from benchmarks.arm import Wire
from benchmarks.page import markdown, picture
from benchmarks.page.markdown import BEGIN, END
from benchmarks.result import Result
from tests.benchmarks.page.synthetic import result, run, skipped, varied


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return varied().write(tmp_path)


def test_the_report_is_written_beside_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = result(run("kubernetes")).write(tmp_path)

    assert compare.main(["--from", str(saved)]) == 0

    page = saved.with_name("report.html")
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text().startswith("<!doctype html>")


def test_a_picture_and_markdown_are_written_where_they_are_wanted(saved: Path, tmp_path: Path) -> None:
    png, text = tmp_path / "picture.png", tmp_path / "numbers.md"

    assert compare.main([f"--from={saved}", "--png", str(png), "--markdown", str(text)]) == 0

    assert imread(png).shape[1] == 2 * 2 * 320
    assert text.read_text() == markdown.render(varied())
    assert not saved.with_name("report.html").exists()


def test_a_file_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")

    assert compare.main(["--from", str(wrong)]) == 2
    assert compare.main(["--from", str(tmp_path / "none.json")]) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert "wrong.json: no result of benchmarks.compare" in first
    assert second.endswith("none.json: No such file or directory")


def test_a_result_without_runs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        compare.main(["--from", str(result().write(tmp_path))])

    assert exit_.value.code == 2
    assert "has no runs" in capsys.readouterr().err


def test_markdown_has_a_place_in_a_file_and_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\nafter\n")

    for _ in "12":
        markdown.write(varied(), file)

    assert file.read_text() == f"# Before\n\n{BEGIN}\n{markdown.render(varied())}{END}\nafter\n"


def test_names_are_no_markup_in_markdown() -> None:
    text = markdown.render(result(run("a|b", variant="<b>*x*</b>")))

    assert "\\<b\\>\\*x\\*\\</b\\>" in text
    assert "<b>" not in text


@pytest.mark.parametrize("wires", [("grpc",), ("grpc", "http")])
def test_no_word_of_the_picture_reaches_its_edge(tmp_path: Path, wires: tuple[Wire, ...]) -> None:
    picture.write(result(*(run("service-dns", wire, scenario="scale-up") for wire in wires)), tmp_path / "x.png")

    pixels = imread(tmp_path / "x.png")
    assert pixels.shape[1] == 2 * 320 * len(wires)
    assert (pixels[:, :2] == 1).all()
    assert (pixels[:, -2:] == 1).all()
    assert (pixels < 0.2).any()


def test_there_is_no_picture_of_nothing(tmp_path: Path) -> None:
    nothing: Result = result(skipped("it died", applicable=True))

    with pytest.raises(ValueError, match="nothing was measured"):
        picture.write(nothing, tmp_path / "x.png")
