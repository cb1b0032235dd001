"""What the store refuses; each error carries the code and reason of the `Status` that reports it."""

from typing import ClassVar


class StoreError(Exception):
    """A refused operation; the message is meant for its caller.

    StoreError
    ├── NotFoundError
    ├── AlreadyExistsError
    ├── ConflictError   written from a version that is no longer the current one
    ├── InvalidError    the object itself cannot be stored
    ├── ExpiredError    the history no longer reaches back to the version
    ├── TooLargeError   the version has not been reached
    ├── ForbiddenError  the user has no right to it
    └── MalformedPatchError
    """

    code: ClassVar[int]
    reason: ClassVar[str]


class NotFoundError(StoreError):
    code = 404
    reason = "NotFound"


class AlreadyExistsError(StoreError):
    code = 409
    reason = "AlreadyExists"


class ConflictError(StoreError):
    code = 409
    reason = "Conflict"


class InvalidError(StoreError):
    code = 422
    reason = "Invalid"


class ExpiredError(StoreError):
    code = 410
    reason = "Expired"


class TooLargeError(StoreError):
    code = 504
    reason = "Timeout"


class ForbiddenError(StoreError):
    code = 403
    reason = "Forbidden"


class MalformedPatchError(StoreError):
    code = 400
    reason = "BadRequest"
