"""A pytest plugin under which `import httpx` is httpx2, as `httpx2.alias_httpx` makes it for a process."""

import httpx2

httpx2.alias_httpx()


def pytest_report_header() -> str:
    return f"httpx is {__import__('httpx').__name__}"
