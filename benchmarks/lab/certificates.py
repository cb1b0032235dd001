"""A certificate authority for one run, and the API server's certificate from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: what clients trust, the server's certificate, and its key."""

    authority: Path
    certificate: Path
    key: Path


def issue(folder: Path, host: str) -> Certificates:
    """Make a new authority and a certificate for a host, a name or an address, in an existing folder."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server = authority.issue_cert(host, key_type=trustme.KeyType.ECDSA)
    made = Certificates(folder / "ca.crt", folder / "apiserver.crt", folder / "apiserver.key")
    authority.cert_pem.write_to_path(made.authority)
    server.cert_chain_pems[0].write_to_path(made.certificate)
    server.private_key_pem.write_to_path(made.key)
    return made
