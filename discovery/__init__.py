"""Client-side load balancing for Python services in Kubernetes.

    import discovery.http, httpx
    client = httpx.Client(transport=discovery.http.Transport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")

    import discovery.grpc
    channel = discovery.grpc.insecure_channel("kubernetes:///orders.shop:grpc")

    balancer = discovery.Balancer("kubernetes:///orders.shop:http")   # any other protocol

`import discovery` loads neither httpx nor grpc nor kubernetes; each adapter loads what it adapts.
"""

from discovery.balancer import Balancer, EndpointState, State
from discovery.balancing import Balancing
from discovery.checks import HttpCheck
from discovery.errors import (
    Closed,
    DiscoveryError,
    InvalidTarget,
    NoEndpoints,
    Overloaded,
    ResolutionFailed,
    Unresolved,
)
from discovery.model import Endpoint, Outcome, Snapshot, Target
from discovery.node import Lease, Node
from discovery.outliers import Outliers
from discovery.policies import Picker, Policy
from discovery.registration import Registration, register
from discovery.resolvers import Resolver
from discovery.retries import RetryBudget

__all__ = [
    "Balancer",
    "Balancing",
    "Closed",
    "DiscoveryError",
    "Endpoint",
    "EndpointState",
    "HttpCheck",
    "InvalidTarget",
    "Lease",
    "NoEndpoints",
    "Node",
    "Outcome",
    "Outliers",
    "Overloaded",
    "Picker",
    "Policy",
    "Registration",
    "ResolutionFailed",
    "Resolver",
    "RetryBudget",
    "Snapshot",
    "State",
    "Target",
    "Unresolved",
    "register",
]
