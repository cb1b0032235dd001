import pytest

from benchmarks.lab.label_selectors import EVERYTHING, InvalidSelectorError, LabelSelector

ECHO = {"app": "echo", "example.com/tier": "front"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app",
        "app=echo",
        "app==echo",
        "app!=web",
        "zone!=a",
        "!zone",
        "app in (web, echo)",
        "app notin (web)",
        "zone notin (a,b)",
        "example.com/tier=front,app in (echo)",
        " app = echo , !zone ",
    ],
)
def test_matches(text: str) -> None:
    assert LabelSelector.parse(text).matches(ECHO)


@pytest.mark.parametrize(
    "text",
    [
        "zone",
        "app=web",
        "app!=echo",
        "!app",
        "app in (web)",
        "zone in (a)",
        "app notin (web,echo)",
        "app=echo,zone",
        "app=",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not LabelSelector.parse(text).matches(ECHO)


@pytest.mark.parametrize(
    ("text", "unreadable"),
    [
        ("=echo", "'=echo'"),
        ("app=echo,", "'app=echo,'"),
        ("app=echo,,tier", "',tier'"),
        ("app in echo", "'app in echo'"),
        ("app,!zone=a", "'!zone=a'"),
        ("app=echo web", "'app=echo web'"),
    ],
)
def test_what_cannot_be_read_is_quoted(text: str, unreadable: str) -> None:
    with pytest.raises(InvalidSelectorError, match=f"from {unreadable} on: expected a comma-separated list"):
        LabelSelector.parse(text)


def test_equal_to_wants_every_label() -> None:
    selector = LabelSelector.equal_to({"app": "echo", "version": "2"})

    assert selector.matches({"app": "echo", "version": "2", "more": "x"})
    assert not selector.matches({"app": "echo"})


def test_everything_matches_no_labels() -> None:
    assert EVERYTHING.matches({})
