"""What a Kubernetes Service is called, in a target and in DNS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from discovery.model import Target

LABEL = re.compile(  # RFC 1123, as Kubernetes wants the names of Services, namespaces and ports
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
)
_RESOLV_CONF = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A Service, and the cluster domain that its DNS names end in.

    namespace  "" means our own
    own        our own namespace as DNS sees it, "" outside a cluster
    """

    service: str
    namespace: str
    domain: str = "cluster.local"
    own: str = ""

    @classmethod
    def parse(cls, target: Target) -> tuple[Self, str]:
        """`SERVICE[.NAMESPACE][:PORT]`, or the namespace as the authority: the name, and the port's text or ""."""
        path, _, port = target.path.partition(":")
        service, _, namespace = path.partition(".")
        if target.authority and namespace:
            raise target.invalid(f"it names two namespaces, {target.authority!r} and {namespace!r}")
        namespace = namespace or target.authority
        if not LABEL.fullmatch(service):
            raise target.invalid(f"{service!r} is not the name of a Service (lowercase letters, digits and -)")
        if namespace and not LABEL.fullmatch(namespace):
            raise target.invalid(
                f"{namespace!r} is not the name of a namespace; the form is SERVICE[.NAMESPACE][:PORT]"
            )
        if ":" in target.path and not port:
            raise target.invalid("there is no port after the colon")
        return cls.here(service, namespace), port

    @classmethod
    def here(cls, service: str, namespace: str) -> Self:
        """The Service as it is called where we are."""
        own, domain = _search()
        return cls(service, namespace, domain, own)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that DNS has for it where we are, the fullest first."""
        namespace = self.namespace or self.own
        if not namespace:
            return (self.service,)
        full = f"{self.service}.{namespace}"
        # The bare name means a Service of our own namespace, which may be another one.
        bare = () if self.own and self.own != namespace else (self.service,)
        return (f"{full}.svc.{self.domain}", f"{full}.svc", full, *bare)


def _search() -> tuple[str, str]:
    """Our namespace and the cluster's domain, from the search list that the kubelet writes into each pod."""
    try:
        text = _RESOLV_CONF.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^search\s.*?\b([-a-z0-9]+)\.svc\.([-a-z0-9.]+)", text, re.MULTILINE)
    return (match[1], match[2].rstrip(".")) if match else ("", "cluster.local")
