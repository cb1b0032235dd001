"""What the command needs to be allowed, and whether it is."""

from __future__ import annotations

from benchmarks import rights
from benchmarks.lab.client import ApiClient
from benchmarks.lab.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    JOB,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
)
from benchmarks.rights import Right

RIGHTS = (
    *(Right(verb, NAMESPACE) for verb in ("create", "get", "list", "delete")),
    *(
        Right("create", kind)
        for kind in (SERVICE_ACCOUNT, SERVICE, ROLE, ROLE_BINDING, NETWORK_POLICY, POD_DISRUPTION_BUDGET)
    ),
    *(Right(verb, DEPLOYMENT) for verb in ("create", "patch", "list", "watch")),
    *(Right(verb, JOB) for verb in ("create", "delete")),
    *(Right(verb, LEASE) for verb in ("create", "get", "patch")),
    # What a client is allowed, too: nobody may give away what they do not have.
    *(Right(verb, CONFIG_MAP) for verb in ("create", "delete", "watch")),
    *(Right(verb, ENDPOINT_SLICE) for verb in ("list", "watch")),
    *(Right(verb, POD) for verb in ("list", "watch", "delete")),
    Right("get", POD, "log"),
)


async def check(api: ApiClient, namespace: str) -> None:
    """Raises LabError, which names all that is missing; where the server does not tell, nothing is."""
    await rights.check(api, namespace, RIGHTS, "--dry-run lists all that it takes")
