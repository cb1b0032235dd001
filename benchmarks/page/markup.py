"""HTML as text: whatever a result file holds is escaped, once."""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already. Any other text is escaped on its way into a tag."""

    __slots__ = ()


VOID = frozenset({"meta", "br"})


def tag(name: str, /, *children: str | Iterable[str], **attributes: str | int | None) -> Markup:
    """An element. `class_` is for `class`, `data_tip` for `data-tip`; an attribute that is None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = join(*children)
    return Markup(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{inner}</{name}>")


def join(*children: str | Iterable[str]) -> Markup:
    """One after another, with no space between."""
    return Markup("".join(_escaped(child) if isinstance(child, str) else join(*child) for child in children))


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else html.escape(text, quote=False)
