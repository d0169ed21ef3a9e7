"""Prose of Markdown and HTML pages, and how hard it is to read."""

import re
from html.parser import HTMLParser

import textstat

MAX_GRADE = 11.0  # Flesch-Kincaid: years of school
MAX_WORDS = 35  # of a sentence
SKIPPED = {"script", "style", "table", "svg", "pre", "nav", "code", "select", "noscript", "dt"}
BLOCKS = {
    "p",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "dd",
    "figcaption",
    "summary",
    "div",
    "section",
    "header",
}
CODE, FORMULA = "this", "it"  # what stands for code and formulas in a sentence


def markdown_prose(text: str) -> list[str]:
    """The sentences of a Markdown page, without code, tables, headings, and addresses."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^( *)(```|~~~).*?^\1\2", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->|^\s*<[^>]+>\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if (
            re.match(r"\s*\||\s*#|    \S|:::|!!!|\?\?\?|=== ", line)
            and not re.match(r" {4}[a-z(`*\[]", line)
        ) or not line.strip():
            blocks.append([])
        elif match := re.match(r"\s*(?:[*+-]|\d+\.)\s+(.*)", line):
            blocks.append([match[1]])
        else:
            blocks[-1].append(line.strip())
    return [s for block in blocks if block for s in sentences(_plain(" ".join(block)))]


def _plain(text: str) -> str:
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"``.+?``|`[^`]*`", CODE, text)
    text = re.sub(r"<?https?://\S+>?|doi:\S+|arXiv:\S+", CODE, text)
    return re.sub(r"[*_]{1,2}(\S(?:.*?\S)?)[*_]{1,2}", r"\1", text)


class _Prose(HTMLParser):
    """Collects the texts of blocks, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks, self.skipped = [[]], []

    def handle_starttag(self, tag, attrs):
        if tag in SKIPPED:
            if tag == "code" and not self.skipped:
                self.blocks[-1].append(CODE)
            self.skipped.append(tag)
        elif tag in BLOCKS:
            self.blocks.append([])

    def handle_endtag(self, tag):
        if self.skipped and self.skipped[-1] == tag:
            self.skipped.pop()
        elif tag in BLOCKS:
            self.blocks.append([])

    def handle_data(self, data):
        if not self.skipped:
            self.blocks[-1].append(data)


def html_prose(text: str) -> list[str]:
    """The sentences of an HTML page, without scripts, tables, drawings, and code."""
    reader = _Prose()
    reader.feed(text)
    blocks = (" ".join("".join(block).split()) for block in reader.blocks)
    return [s for block in blocks if block for s in sentences(block)]


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; fragments of fewer than four words are no sentences."""
    text = re.sub(r"\b(e\.g|i\.e|et al|vs|cf|approx|Fig|no)\.", r"\1", text)
    parts = re.split(r"(?<=[.!?])[\"”)]*\s+(?=[A-Z0-9“\"(]|this\b|it\b|\w+_\w)", text)
    return [part for part in parts if len(re.findall(r"[^\W\d_]+", part)) >= 4]


def grade(prose: list[str]) -> float:
    """The Flesch-Kincaid grade of all sentences together.

    Kincaid et al. 1975, Derivation of new readability formulas, Research Branch Report 8-75.
    """
    ended = (re.sub(r"[.:;!?]+$", "", sentence) + "." for sentence in prose)
    inner = (re.sub(r"[.!?](?!$)", "", sentence) for sentence in ended)
    return float(textstat.flesch_kincaid_grade(" ".join(inner)))


def long_sentences(prose: list[str]) -> list[str]:
    """The sentences of more than MAX_WORDS words."""
    return [s for s in prose if len(re.findall(r"\S*[^\W_]\S*", s)) > MAX_WORDS]
