"""For tests of code that uses this library, and of plug-ins for it.

    class TestFullest(discovery.testing.PolicyContract):      # with pytest, which finds its methods
        def make(self):
            return Fullest()

The contracts are classes of plain test methods. They need no pytest, and no plug-in of it for asyncio.
"""

from discovery.testing._fake_clock import FakeClock
from discovery.testing._manual_resolver import ManualResolver
from discovery.testing._policy_contract import PolicyContract
from discovery.testing._resolver_contract import FixedResolverContract, ResolverContract, WatchingResolverContract

__all__ = [
    "FakeClock",
    "FixedResolverContract",
    "ManualResolver",
    "PolicyContract",
    "ResolverContract",
    "WatchingResolverContract",
]
