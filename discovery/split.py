"""Which of several ways a request takes: by weight, or by what one of its headers says.

It is what Istio's VirtualService does for a canary, over one Service per version.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

Part = TypeVar("Part")
Mapped = TypeVar("Mapped")


@dataclass(frozen=True)
class Split(Generic[Part]):
    """Parts by weight, and by the exact value of a header, which goes before the weights.

        Split([(90, v1), (10, v2)], header=("version", {"200": v2}))

    weighted  a part gets its weight's share of the requests, by chance: 0 is none, but by the header
    header    its name, and the part of each value; what has another value, or none, goes by weight
    random    a source of floats in [0, 1)

    Raises `ValueError` for what makes no sense.
    """

    weighted: Sequence[tuple[int, Part]]
    header: tuple[str, Mapping[str, Part]] | None = None
    random: Callable[[], float] = random.random
    _bounds: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for weight, part in self.weighted:
            if weight < 0 or weight != int(weight):
                raise ValueError(f"a weight is a whole number from 0, and that of {part!r} is {weight!r}")
        if sum(weight for weight, _ in self.weighted) < 1:
            raise ValueError(
                "the weights come to nothing: one part at least needs a weight, as in [(90, v1), (10, v2)]"
            )
        if self.header is not None and not self.header[0]:
            raise ValueError('the header has no name; correct is, for example, header=("version", {"200": v2})')
        object.__setattr__(self, "_bounds", list(accumulate(weight for weight, _ in self.weighted)))

    @property
    def parts(self) -> list[Part]:
        """Each part once, by identity."""
        by_header = self.header[1].values() if self.header else ()
        return list({id(part): part for part in [*(part for _, part in self.weighted), *by_header]}.values())

    def choose(self, header: Callable[[str], object]) -> Part:
        """The part for a request; `header` tells a header's value by its name, None where there is none."""
        if self.header is not None:
            name, by_value = self.header
            value = header(name)
            if isinstance(value, str) and value in by_value:
                return by_value[value]
        at = self.random() * self._bounds[-1]
        return next(part for bound, (_, part) in zip(self._bounds, self.weighted, strict=True) if at < bound)

    def map(self, change: Callable[[Part], Mapped]) -> Split[Mapped]:
        """The same split of what `change` makes of each part, which is asked once of each."""
        made: dict[int, Mapped] = {id(part): change(part) for part in self.parts}
        header = None
        if self.header is not None:
            header = (self.header[0], {value: made[id(part)] for value, part in self.header[1].items()})
        return Split([(weight, made[id(part)]) for weight, part in self.weighted], header, self.random)
