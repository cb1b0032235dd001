"""What LIST and WATCH may ask for, and the pages of a LIST.

Rules and messages are those of
https://kubernetes.io/docs/reference/using-api/api-concepts/#the-resourceversion-parameter and of a 1.36 server.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from starlette.exceptions import HTTPException

from .field_selectors import FieldSelector
from .kinds import Key, Kind, Object, key_of
from .label_selectors import InvalidSelectorError, LabelSelector
from .store import Store
from .store_errors import ExpiredError, InvalidError, TooLargeError

_TRUE = frozenset({"true", "1"})
_MATCHES = ("Exact", "NotOlderThan")
_PAGE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter."
)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The parameters of a LIST or WATCH, read and checked; `version` 0 is none given, as for a real server."""

    labels: LabelSelector
    fields: FieldSelector
    watch: bool
    version: int
    match: str
    limit: int
    token: str
    timeout_s: int
    bookmarks: bool
    initial_events: bool | None

    @classmethod
    def read(cls, kind: Kind, parameters: Mapping[str, str]) -> Self:
        """Raises `HTTPException` 400 or `InvalidError`."""
        try:
            labels = LabelSelector.parse(parameters.get("labelSelector", ""))
            fields = FieldSelector.parse(parameters.get("fieldSelector", ""), kind)
        except InvalidSelectorError as error:
            raise HTTPException(400, str(error)) from error
        initial = parameters.get("sendInitialEvents")
        options = cls(
            labels,
            fields,
            watch=parameters.get("watch") in _TRUE,
            version=whole_number(parameters.get("resourceVersion"), "resourceVersion") or 0,
            match=parameters.get("resourceVersionMatch", ""),
            limit=whole_number(parameters.get("limit"), "limit") or 0,
            token=parameters.get("continue", ""),
            timeout_s=whole_number(parameters.get("timeoutSeconds"), "timeoutSeconds") or 0,
            bookmarks=parameters.get("allowWatchBookmarks") in _TRUE,
            initial_events=None if initial is None else initial in _TRUE,
        )
        complaint = options._complaint(given=bool(parameters.get("resourceVersion")))
        if complaint:
            raise InvalidError(f'ListOptions.meta.k8s.io "" is invalid: {complaint}')
        return options

    def selects(self, obj: Object) -> bool:
        return self.labels.selects(obj) and self.fields.selects(obj)

    def _complaint(self, *, given: bool) -> str | None:
        if self.initial_events is not None and not self.watch:
            return "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
        if self.initial_events is not None and self.match != "NotOlderThan":
            return (
                "resourceVersionMatch: Forbidden: "
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
        if not self.match:
            return None
        refused: str | None = None
        if self.match not in _MATCHES:
            values = ", ".join(f'"{match}"' for match in _MATCHES)
            return f'resourceVersionMatch: Unsupported value: "{self.match}": supported values: {values}'
        if self.watch and self.initial_events is None:
            refused = "for watch unless sendInitialEvents is provided"
        elif not self.watch and not given:
            refused = "unless resourceVersion is provided"
        elif self.token:
            refused = "when continue is provided"
        elif self.match == "Exact" and not self.version:
            return 'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        return f"resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden {refused}" if refused else None


@dataclass(frozen=True, slots=True)
class Page:
    """Objects of a LIST, and the metadata that tells the version and how to go on."""

    items: tuple[Object, ...]
    metadata: Object


def page_of(store: Store, kind: Kind, namespace: str | None, options: ListOptions) -> Page:
    """The page that the options ask for, of the objects at the version at which the first one was asked for.

    Raises `TooLargeError`, `ExpiredError`, or `HTTPException` 400 for a token that is none.
    """
    check_reached(store, options.version)
    last: Key | None = None
    version = options.version if options.match == "Exact" else store.version
    if options.token:
        if options.version:
            raise HTTPException(400, "specifying resource version is not allowed when using continue")
        version, last = _parsed(options.token)
    try:
        found = store.list(kind, namespace, options, version)
    except ExpiredError as error:
        raise ExpiredError(_PAGE_EXPIRED) if options.token else error from None
    rest = found if last is None else tuple(obj for obj in found if key_of(obj) > last)
    items = rest[: options.limit] if options.limit else rest
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if len(items) < len(rest):
        metadata["continue"] = _token(version, key_of(items[-1]))
        # A real server does not count what a selector would leave out.
        if not (options.labels.requirements or options.fields.requirements):
            metadata["remainingItemCount"] = len(rest) - len(items)
    return Page(items, metadata)


def check_reached(store: Store, version: int) -> None:
    """Raises `TooLargeError` for a version from the future."""
    if version > store.version:
        raise TooLargeError(f"Too large resource version: {version}, current: {store.version}")


def whole_number(text: str | int | None, name: str) -> int | None:
    """The number in a parameter; raises `HTTPException` 400."""
    if text is None or text == "":
        return None
    try:
        number = int(text)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise HTTPException(400, f"{name}: invalid value {text!r}: must be a whole number, not negative")
    return number


def _token(version: int, last: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *last]).encode()).decode()


def _parsed(token: str) -> tuple[int, Key]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return int(version), (str(namespace), str(name))
    except (binascii.Error, ValueError, TypeError) as error:
        raise HTTPException(400, f"continue key is not valid: {error}") from None
