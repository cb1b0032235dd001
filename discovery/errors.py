"""What can go wrong, as a tree of exceptions.

    DiscoveryError
    +-- InvalidTarget       the target string does not parse, or names what is not installed (also a ValueError)
    +-- NoEndpoints         resolved, and there is no endpoint to send to: fails at once
    +-- Unresolved          no answer within the caller's timeout (also a TimeoutError)
    +-- ResolutionFailed    the resolver fails, and there never was a good answer to go on with
    +-- Overloaded          every endpoint has as many requests in flight as it may, or too many callers wait
    +-- Closed              the balancer was closed

The adapters raise these as errors of their own world too: `discovery.http.NoEndpoints` is also an
`httpx.ConnectError`, and over gRPC they are `grpc.RpcError` with status UNAVAILABLE.
"""


class DiscoveryError(Exception):
    """The root of everything that this library raises on its own account."""


class InvalidTarget(DiscoveryError, ValueError):
    """A target or the name of a policy cannot be understood; the text names the wrong part and a correct example."""


class NoEndpoints(DiscoveryError):
    """The target is resolved and has no endpoint that could take a request."""


class Unresolved(DiscoveryError, TimeoutError):
    """The target is still being resolved, and the caller's time is over."""


class ResolutionFailed(DiscoveryError):
    """The target cannot be resolved, and there is no earlier answer to fall back to."""


class Overloaded(DiscoveryError):
    """No endpoint has room for one more request within the caller's time, or more callers wait than may."""


class Closed(DiscoveryError):
    """The balancer was closed; a new one is needed."""
