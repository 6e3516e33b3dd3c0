"""HTML as a flat list of elements, read in linear time whatever the page is.

The standard parser is slow on pages of a megabyte, and some broken pages make it quadratic.
This one knows only what reading a results page takes: names, attributes, text, nesting.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

TEXT = "#text"

_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
_RAW = frozenset({"script", "style", "textarea", "title"})

# Possessive repeats never give back what they took: one pass, even over unclosed quotes.
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<[!?][^>]*+>?"
    r"|<(?P<close>/?)(?P<name>[a-zA-Z][^\s/>]*+)"
    r"(?P<rest>(?:[^>=]++|=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z))?)*+)(?:>|\Z)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"([^\s=/>\"']++)(?:\s*+=\s*+(?:\"([^\"]*+)\"?|'([^']*+)'?|([^\s>]++)))?", re.DOTALL
)


class Element:
    """A tag or a run of text. Its descendants are `page[index + 1 : end]`."""

    __slots__ = ("__dict__", "end", "index", "name", "parent", "raw")

    def __init__(self, name: str, raw: str, *, index: int, parent: int) -> None:
        self.name = name
        self.raw = raw
        """The attributes as written; of `#text`, `<script>` and the like, the text itself."""
        self.index, self.parent = index, parent
        self.end = index + 1

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Values by lower-case name; of a name written twice, the first counts."""
        found: dict[str, str] = {}
        for name, *values in _ATTRIBUTE.findall(self.raw):
            value = "".join(values)
            found.setdefault(name.lower(), html.unescape(value) if "&" in value else value)
        return found

    def get(self, name: str) -> str:
        """The value of an attribute; empty where there is none."""
        is_there = name in self.raw or name in self.raw.lower()
        return self.attributes.get(name, "") if is_there else ""


class Markup:
    """A page, taken apart. Elements are in document order; the first one is the page itself."""

    def __init__(self, page: str) -> None:
        self.elements: list[Element] = [Element("#page", "", index=0, parent=0)]
        self.scripts: list[str] = []
        self.title = ""
        self.length = len(page)
        self._open = [self.elements[0]]
        self._open_names: Counter[str] = Counter()
        self._read(page)

    def inside(self, element: Element) -> list[Element]:
        """Everything below an element, in order."""
        return self.elements[element.index + 1 : element.end]

    def text(self, element: Element) -> str:
        """What a reader would see of an element, with single spaces."""
        runs = (node.raw for node in self.inside(element) if node.name == TEXT)
        return " ".join(html.unescape(" ".join(runs)).split())

    def named(self, *names: str) -> Iterator[Element]:
        """Every element with one of these tag names."""
        return (element for element in self.elements if element.name in names)

    def ancestors(self, element: Element) -> Iterator[Element]:
        """The element and what it lies in, inside out."""
        while element.index:
            yield element
            element = self.elements[element.parent]

    def _read(self, page: str) -> None:
        position = 0
        while tag := _TAG.search(page, position):
            if tag.start() > position:
                self._add_text(page[position : tag.start()])
            position = tag.end()
            if tag["name"] is None:
                continue
            name = tag["name"].lower()
            if tag["close"]:
                self._close(name)
            elif name in _RAW:
                position = self._add_raw(name, tag["rest"], page, position)
            else:
                self._add(name, tag["rest"])
        self._add_text(page[position:])
        self._close_down_to(1)

    def _add(self, name: str, raw: str) -> Element:
        element = Element(name, raw, index=len(self.elements), parent=self._open[-1].index)
        self.elements.append(element)
        if name not in _VOID and name != TEXT:
            self._open.append(element)
            self._open_names[name] += 1
        return element

    def _add_text(self, text: str) -> None:
        if text and not text.isspace():
            self._add(TEXT, text)

    def _add_raw(self, name: str, raw: str, page: str, start: int) -> int:
        """Take a script, style, text area or title whole; return where it ends."""
        closing = _closing(name).search(page, start)
        end = closing.start() if closing else len(page)
        body = page[start:end]
        if name == "script":
            self.scripts.append(body)
        elif name == "title":
            self.title = self.title or html.unescape(body).strip()
        self._add(name, raw)
        if name == "textarea":
            self._add_text(body)
        self._close(name)
        return closing.end() if closing else end

    def _close(self, name: str) -> None:
        if self._open_names[name]:
            depth = len(self._open) - 1
            while self._open[depth].name != name:
                depth -= 1
            self._close_down_to(depth)

    def _close_down_to(self, depth: int) -> None:
        for element in self._open[depth:]:
            element.end = len(self.elements)
            self._open_names[element.name] -= 1
        del self._open[depth:]
        self.elements[0].end = len(self.elements)


def _closing(name: str) -> re.Pattern[str]:
    return _CLOSINGS[name]


_CLOSINGS = {name: re.compile(rf"</{name}[^>]*+>?", re.IGNORECASE) for name in _RAW}
