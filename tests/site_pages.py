"""Links, anchors and loaded files of a folder of web pages."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

LOADING = {  # tags and the attributes whose address a browser loads by itself
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src"),
    "link": "href",
    "object": "data",
    "use": "href",
}
ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)  # another host
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
STYLE_ADDRESS = re.compile(r"(?:url\(|@import\s+)\s*['\"]?([^'\")\s;]+)")


@dataclass
class PageParts:
    """What a page has: names of anchors, addresses of links, and of what it loads by itself."""

    anchors: set[str] = field(default_factory=lambda: {""})
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = PageParts()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in ("a", "area") and "href" in values:
            self.page.links.append(values["href"])
        if tag in LOADING and LOADING[tag] in values:
            self.page.loaded.append(values[LOADING[tag]])
        for text in values.get("srcset", "").split(","):
            self.page.loaded += text.split()[:1]
        self.page.loaded += STYLE_ADDRESS.findall(values.get("style", ""))


def page_parts(text: str) -> PageParts:
    """Anchors, links and loaded addresses of a page."""
    parser = _Parts()
    parser.feed(text)
    parser.close()
    return parser.page


def broken_links(folder: Path, left_out: tuple[str, ...] = ()) -> list[str]:
    """Links and loaded files of all pages that lead to no file, or to no anchor, of the folder."""
    paths = [path for path in sorted(folder.rglob("*.html")) if path.name not in left_out]
    pages = {path.resolve(): page_parts(path.read_text(encoding="utf-8")) for path in paths}
    broken = []
    for path, page in pages.items():
        for address in [*page.links, *page.loaded]:
            if ELSEWHERE.match(address) or SCHEME.match(address):
                continue
            place, anchor = urldefrag(address)
            target = (path.parent / unquote(place)).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            is_inside = target.is_relative_to(folder.resolve())
            anchors = pages[target].anchors if target in pages else {""}
            if not is_inside or not target.exists() or unquote(anchor) not in anchors:
                broken.append(f"{path.name}: {address}")
    return broken


def addresses_elsewhere(folder: Path) -> list[str]:
    """What pages and style sheets of the folder load from another host."""
    loaded = []
    for path in sorted(folder.rglob("*.html")):
        parts = page_parts(path.read_text(encoding="utf-8"))
        loaded += [
            f"{path.name}: {address}" for address in parts.loaded if ELSEWHERE.match(address)
        ]
    for path in sorted(folder.rglob("*.css")):
        addresses = STYLE_ADDRESS.findall(path.read_text(encoding="utf-8"))
        loaded += [f"{path.name}: {address}" for address in addresses if ELSEWHERE.match(address)]
    return loaded
