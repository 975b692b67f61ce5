"""The board as its readers get it: parsed HTML, and names and messages that attack it."""

import itertools
import random
from dataclasses import dataclass, field
from html.parser import HTMLParser

# Elements that have no end tag (HTML standard, "void elements").
VOID = {"meta", "link", "input"}

_MARKUP = (
    "<script>window.ran=1</script>",
    "</td></tr></table><h1>x",
    '"><img src=x onerror="window.ran=1">',
    "' onmouseover='window.ran=1",
    "<svg onload=window.ran=1>",
    "</bdi></a><a href=javascript:window.ran=1>x</a>",
    "<!--",
    "]]>",
    "<style>*{display:none}</style>",
    "<base href=//evil.example>",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "</title><script>window.ran=1</script>",
    "<cwdb-action action=call endpoint=arn:x>{}</cwdb-action>",
    "&lt;script&gt;&amp;&#0;&#x202e;",
    "{{7*7}}${7*7}<%=7*7%>",
    "javascript:window.ran=1",
)
_DIRECTIONS = (
    "\u202e",
    "\u202d",
    "\u2066",
    "\u2067",
    "\u200f",
    "תיק־לילה",
    "تقرير المختبر",
    "\u061c",
)
_ODD = (
    "\0", "\x1b[2J", "\r\n", "\u2028", "\x85", "\ufeff", "\ud800", "\U0001f469\u200d\U0001f52c",
    "Z" + "\u0301" * 60, "漢" * 80, "W" * 4_000, " " * 300, "\u3164", "=1+1", "\x7f", "-x",
)  # fmt: skip


def hostile_texts(count: int = 1_000) -> list[str]:
    """Return different texts that have broken pages elsewhere, and mixtures of them."""
    parts = (*_MARKUP, *_DIRECTIONS, *_ODD)
    pairs = ["".join(pair) for pair in itertools.permutations(parts, 2)]
    return [*parts, *random.Random(5).sample(pairs, count - len(parts))]


@dataclass
class Node:
    """An element with its text, and the elements in it."""

    tag: str
    attributes: dict[str, str]
    children: list["Node"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything that the element shows."""
        return "".join(self.texts)

    def all(self, tag: str, css: str | None = None) -> list["Node"]:
        """Return the elements below this one with a tag, and a class."""
        found = []
        for child in self.children:
            classes = child.attributes.get("class", "").split()
            if child.tag == tag and (css is None or css in classes):
                found.append(child)
            found += child.all(tag, css)
        return found

    def one(self, tag: str, **attributes: str) -> "Node":
        """Return the only element below this one with a tag and attributes."""
        (found,) = (
            node
            for node in self.all(tag)
            if all(node.attributes.get(name) == text for name, text in attributes.items())
        )
        return found


class _Parser(HTMLParser):
    """Builds the tree, and fails where a tag is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> repeats an attribute"
        node = Node(tag, _valued(attrs))
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, _valued(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for node in self._open:
            node.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")


def _valued(attributes: list[tuple[str, str | None]]) -> dict[str, str]:
    return {name: value or "" for name, value in attributes}


def parsed(html: str) -> Node:
    """Return the tree of a page. Fails when its tags are not balanced."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser._open) == 1
    return parser.root


def shape(node: Node) -> object:
    """Return the tags and the names of their attributes, without any value."""
    return (node.tag, sorted(node.attributes), [shape(child) for child in node.children])
