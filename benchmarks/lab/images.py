"""Whether an image could be pulled; pure. Nothing is: what a container runs is here already."""

from __future__ import annotations

import re
from typing import Final

_REFERENCE: Final = re.compile(r"(?P<registry>[^/]*[.:][^/]*)/(?P<name>.+?)(?::(?P<tag>[^:/@]+))?(?:@.*)?")


def pull_failure(image: str) -> str | None:
    """What a kubelet says whose runtime cannot pull the image; None where it can.

    It cannot from a registry whose name is in the domain `.invalid`, which RFC 2606 promises not to exist.
    """
    match = _REFERENCE.fullmatch(image)
    if match is None or not (host := match["registry"].partition(":")[0]).endswith(".invalid"):
        return None
    reference = image if match["tag"] or "@" in image else f"{image}:latest"
    address = f"https://{match['registry']}/v2/{match['name']}/manifests/{match['tag'] or 'latest'}"
    return (
        f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}": '
        f'failed to do request: Head "{address}": dial tcp: lookup {host}: no such host'
    )
