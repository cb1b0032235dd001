"""NO_PROXY, as Kubernetes' own clients read it."""

import pytest

from discovery.resolvers._proxy import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_used"),
    [
        ("https://10.96.0.1", None, True),
        ("https://10.96.0.1", "10.0.0.0/8", False),
        ("https://10.96.0.1", "192.168.0.0/16, 10.96.0.1", False),
        ("https://11.96.0.1", "10.0.0.0/8", True),
        ("https://10.96.0.1:6443", "10.96.0.1:443", True),
        ("https://10.96.0.1", "10.96.0.1:443", False),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", False),
        ("https://api.example.org", "example.org", False),
        ("https://example.org", "example.org", False),
        ("https://api.example.org", ".example.org", False),
        ("https://example.org", ".example.org", True),
        ("https://badexample.org", "example.org", True),
        ("https://API.example.org", "api.EXAMPLE.org", False),
        ("https://anything", "*", False),
        ("https://localhost:6443", "", False),
        ("http://127.0.0.1:8080", "", False),
        ("http://[::1]:8080", "", False),
        ("https://10.96.0.1", ",, ,", True),
    ],
)
def test_whether_the_proxy_is_used(url: str, no_proxy: str | None, is_used: bool) -> None:
    assert proxy_for(url, PROXY, no_proxy) == (PROXY if is_used else None)


def test_without_a_proxy_there_is_none() -> None:
    assert proxy_for("https://10.96.0.1", None, None) is None
