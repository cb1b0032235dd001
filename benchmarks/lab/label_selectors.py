"""Label selectors: `app=echo,tier!=db,zone in (a,b),!legacy`, as `labelSelector` of LIST and WATCH takes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from .kinds import Object, labels_of

_REQUIREMENT = re.compile(
    r"""
    \s* (?P<absent>!\s*)?
    (?P<key> (?:[A-Za-z0-9.-]+/)? [A-Za-z0-9] (?:[A-Za-z0-9_.-]*[A-Za-z0-9])? )
    (?(absent) | (?: \s* (?P<operator>==|=|!=) \s* (?P<value>[A-Za-z0-9_.-]*)
                   | \s+ (?P<set>in|notin) \s* \( (?P<values>[^()]*) \) )? )
    \s* (?: ,(?=.) | $ )
    """,
    re.VERBOSE,
)


class InvalidSelectorError(ValueError):
    """The text is not a selector; the message quotes the part that cannot be read."""


class Selector(Protocol):
    """Tells which objects a reader wants to see."""

    def selects(self, obj: Object) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Requirement:
    key: str
    values: frozenset[str] | None
    """None: the value does not matter."""
    negated: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = self.key in labels and (self.values is None or labels[self.key] in self.values)
        # An object without the key satisfies `!=` and `notin`, as in a cluster.
        return found != self.negated


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """What labels an object must have; the empty selector matches every object."""

    requirements: tuple[_Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a selector's text; raises `InvalidSelectorError`."""
        text = text.strip()
        requirements = []
        position = 0
        while position < len(text):
            match = _REQUIREMENT.match(text, position)
            if match is None:
                raise InvalidSelectorError(
                    f"unable to parse label selector {text!r} from {text[position:]!r} on: "
                    "expected a comma-separated list such as 'app=echo,tier!=db,zone in (a,b),!legacy'"
                )
            requirements.append(_requirement(match))
            position = match.end()
        return cls(tuple(requirements))

    @classmethod
    def equal_to(cls, labels: Mapping[str, str]) -> Self:
        """The selector that wants every one of these labels: a Service's `spec.selector`."""
        return cls(tuple(_Requirement(key, frozenset([value]), False) for key, value in labels.items()))

    def selects(self, obj: Object) -> bool:
        return self.matches(labels_of(obj))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def _requirement(match: re.Match[str]) -> _Requirement:
    if match["set"]:
        values = frozenset(value.strip() for value in match["values"].split(","))
        return _Requirement(match["key"], values, match["set"] == "notin")
    if match["operator"]:
        return _Requirement(match["key"], frozenset([match["value"]]), match["operator"] == "!=")
    return _Requirement(match["key"], None, match["absent"] is not None)


EVERYTHING = LabelSelector()
