"""What a channel's service config says of its methods: times, waiting, retries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc

Options = Sequence[tuple[str, Any]]

_OPTION = "grpc.service_config"
_MOST_ATTEMPTS = 5  # gRFC A6
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")
_CODES = {code.name: code for code in grpc.StatusCode} | {str(code.value[0]): code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """gRFC A6, run above the endpoints: each attempt goes to another one.

    attempts    altogether, the first included
    first_s, longest_s, multiplier  the backoff before the second attempt, its bound, and what it grows by
    codes       that are tried again, though the call may have been carried out
    """

    attempts: int
    first_s: float
    longest_s: float
    multiplier: float
    codes: frozenset[grpc.StatusCode]


@dataclass(frozen=True, slots=True)
class MethodConfig:
    """One method's."""

    timeout_s: float | None = None
    wait_for_ready: bool = False
    retry: RetryPolicy | None = None
    idempotent: bool = False


class ServiceConfig:
    """A service config (gRFC A2, as JSON in the option `grpc.service_config`), and what is idempotent beside it.

    idempotent  names of methods, `/package.Service/Method`, or a function that says so of a name
    health      the name that `healthCheckConfig` gives, for `grpc.health.v1`; None without one
    options     the channel's, less what is carried out above the endpoints

    Raises ValueError that names the wrong part.
    """

    def __init__(
        self, options: Options | None = None, idempotent: Collection[str] | Callable[[str], bool] = ()
    ) -> None:
        text = dict(options or ()).get(_OPTION)
        config = _object(text) if text is not None else {}
        self._methods: dict[str, MethodConfig] = {}
        for item in config.get("methodConfig") or ():
            parsed = _method_config(item)
            for name in item.get("name") or ():
                self._methods[f"{name.get('service') or ''}/{name.get('method') or ''}"] = parsed
        self._is_idempotent = idempotent if callable(idempotent) else frozenset(idempotent).__contains__
        check = config.get("healthCheckConfig")
        self.health: str | None = None if check is None else str(check.get("serviceName") or "")
        # The endpoint's channel must neither retry by itself nor wait for a connection that never comes.
        rest = {key: value for key, value in config.items() if key not in {"methodConfig", "healthCheckConfig"}}
        self.options: Options = [each for each in options or () if each[0] != _OPTION]
        if rest:
            self.options = [*self.options, (_OPTION, json.dumps(rest))]

    def of(self, method: str) -> MethodConfig:
        """By `/service/method`: the method's, its service's, or the default."""
        service, _, name = method.removeprefix("/").rpartition("/")
        keys = (f"{service}/{name}", f"{service}/", "/")
        found = next((self._methods[key] for key in keys if key in self._methods), MethodConfig())
        return replace(found, idempotent=True) if self._is_idempotent(method) else found


def _object(text: Any) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the option {_OPTION} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"the option {_OPTION} is no JSON object")  # noqa: TRY004 - what is wrong is its value
    return config


def _method_config(item: Mapping[str, Any]) -> MethodConfig:
    policy = item.get("retryPolicy")
    return MethodConfig(
        timeout_s=_seconds(item, "timeout") if item.get("timeout") else None,
        wait_for_ready=bool(item.get("waitForReady")),
        retry=_retry_policy(policy) if policy else None,
    )


def _retry_policy(policy: Mapping[str, Any]) -> RetryPolicy:
    try:
        attempts, multiplier = int(policy["maxAttempts"]), float(policy["backoffMultiplier"])
        names = [str(name).upper() for name in policy["retryableStatusCodes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{_OPTION}: a retryPolicy needs maxAttempts, backoffMultiplier and codes: {error}") from None
    if attempts < 2 or multiplier <= 0 or not names:
        raise ValueError(f"{_OPTION}: a retryPolicy has at least 2 maxAttempts, a backoffMultiplier and status codes")
    if unknown := [name for name in names if name not in _CODES]:
        raise ValueError(f"{_OPTION}: there is no status code {unknown[0]!r}")
    return RetryPolicy(
        attempts=min(attempts, _MOST_ATTEMPTS),
        first_s=_seconds(policy, "initialBackoff"),
        longest_s=_seconds(policy, "maxBackoff"),
        multiplier=multiplier,
        codes=frozenset(_CODES[name] for name in names),
    )


def _seconds(item: Mapping[str, Any], name: str) -> float:
    match = _DURATION.fullmatch(str(item.get(name)))
    if match is None:
        raise ValueError(f"{_OPTION}: {name} is {item.get(name)!r}, and not seconds like '0.5s'")
    return float(match[1])
