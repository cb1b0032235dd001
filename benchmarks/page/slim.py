"""SVG as matplotlib writes it, without what a page has no use for: a full run has two hundred figures."""

from __future__ import annotations

import re
from itertools import count

_GROUP = re.compile(r"(<g\b[^>]*>|</g>)")


def slim(text: str, name: str) -> str:
    """What is inside of the svg element; ids begin with `name`, which is one of a kind on the page."""
    inner = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = re.sub(r' transform="rotate\(-?0 [^"]*"', "", _ids(inner, name))
    inner = re.sub(r"font-family: [^;\"]*", "font-family: var(--plot)", inner)
    inner = re.sub(r' d="([^"]*)"', lambda path: f' d="{_path(path[1])}"', inner)
    inner = re.sub(r"<[^>]*>", lambda element: re.sub(r"(\.\d)\d+", r"\1", element[0]), inner)
    inner = re.sub(r">\s+<", "><", re.sub(r"\s+", " ", inner)).strip()
    return _groups(re.sub(r"<(g|defs)/>|<defs></defs>", "", inner))


def hoist(page: str) -> tuple[str, str]:
    """The page with a class in place of each `style` that repeats itself, and the rules for those classes."""
    numbers = count()
    classes: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        style = found[1]
        if style not in classes:
            classes[style] = f"s{next(numbers)}"
        return f' class="{classes[style]}"'

    # In elements alone: what is text on the page is somebody else's.
    text = re.sub(r"<[^>]*>", lambda element: re.sub(r' style="([^"]*)"', named, element[0]), page)
    return text, "".join(f".plot .{name}{{{style}}}" for style, name in classes.items())


def _ids(inner: str, name: str) -> str:
    """Only those that something refers to, and short."""
    used = {ident: f"{name}-{number}" for number, ident in enumerate(dict.fromkeys(_references(inner)))}
    inner = re.sub(r' id="([^"]*)"', lambda found: f' id="{used[found[1]]}"' if found[1] in used else "", inner)
    return re.sub(r'(?:xlink:)?(url\(#|href="#)([^)"]+)', lambda found: f"{found[1]}{used[found[2]]}", inner)


def _references(inner: str) -> list[str]:
    return re.findall(r'(?:url\(#|href="#)([^)"]+)', inner)


def _path(commands: str) -> str:
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", commands).strip()


def _groups(inner: str) -> str:
    """Without groups that say nothing of what is in them."""
    kept: list[bool] = []
    pieces = []
    for piece in _GROUP.split(inner):
        if piece.startswith("<g"):
            kept.append(piece != "<g>")
            pieces.append(piece if kept[-1] else "")
        elif piece == "</g>":
            pieces.append(piece if kept.pop() else "")
        else:
            pieces.append(piece)
    return "".join(pieces)
