"""Field selectors: `metadata.name=echo,status.phase!=Running`, as `fieldSelector` of LIST and WATCH takes them."""

import re
from dataclasses import dataclass
from typing import Any, Self

from .kinds import Kind, Object
from .label_selectors import InvalidSelectorError

_EVERY_KIND = ("metadata.name", "metadata.namespace")
_REQUIREMENT = re.compile(r"\s*(?P<field>[A-Za-z.]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^,=!]*)")


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """What the fields of an object must be: path, wanted value, and whether it must not be that."""

    requirements: tuple[tuple[tuple[str, ...], str, bool], ...] = ()

    @classmethod
    def parse(cls, text: str, kind: Kind) -> Self:
        """Read a selector's text; raises `InvalidSelectorError`, for a field that the kind has no index of too."""
        known = (*_EVERY_KIND, *kind.fields) if kind.namespaced else ("metadata.name", *kind.fields)
        requirements = []
        for part in filter(None, text.split(",")):
            match = _REQUIREMENT.fullmatch(part)
            if match is None:
                raise InvalidSelectorError(f"invalid selector: '{part}'; can't understand '{part}'")
            if match["field"] not in known:
                raise InvalidSelectorError(
                    f'Unable to find "{kind.api_version}, Resource={kind.plural}" that match label selector "", '
                    f'field selector "{text}": field label not supported: {match["field"]}'
                )
            value = match["value"].strip()
            requirements.append((tuple(match["field"].split(".")), value, match["operator"] == "!="))
        return cls(tuple(requirements))

    @property
    def name(self) -> str | None:
        """The only object name that can match, where the selector names one."""
        return next(
            (value for path, value, negated in self.requirements if path == ("metadata", "name") and not negated), None
        )

    def selects(self, obj: Object) -> bool:
        return all((_field(obj, path) == value) != negated for path, value, negated in self.requirements)


def _field(obj: Object, path: tuple[str, ...]) -> str:
    value: Any = obj
    for step in path:
        value = (value or {}).get(step)
    return value or ""
