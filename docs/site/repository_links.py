"""Copies what the pages link to outside docs/, such as a config, into the site.

The pages are read in a checkout too, so they link to `../configs/demo.toml`. The site has such a
file at `repository/configs/demo.toml`, and a folder as a list of its files.
"""

import html
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)((?:#[^)\s]*)?\))")
FOLDER = "repository"


def targets_of(text: str) -> list[str]:
    """The paths, from the root of the repository, that a page in docs/ links to outside of it."""
    return [posixpath.normpath(f"docs/{match[2]}") for match in LINK.finditer(text)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the linked files and folders to the site."""
    root = Path(config.config_file_path).parent
    linked = {
        target for page in files.documentation_pages() for target in targets_of(page.content_string)
    }
    paths = {path for target in linked for path in _files_of(root / target)}
    for path in sorted(paths):
        place = f"{FOLDER}/{path.relative_to(root).as_posix()}"
        files.append(File.generated(config, place, abs_src_path=str(path)))
    for target in sorted(linked):
        if (root / target).is_dir():
            names = [
                path.relative_to(root / target).as_posix() for path in _files_of(root / target)
            ]
            files.append(
                File.generated(config, _place(root, target), content=_listing(target, names))
            )
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links of a page to the copies in the site."""
    root = Path(config.config_file_path).parent

    def moved(match: re.Match[str]) -> str:
        place = _place(root, posixpath.normpath(f"docs/{match[2]}"))
        return f"{match[1]}{place}{match[3]}"

    return LINK.sub(moved, markdown)


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _place(root: Path, target: str) -> str:
    return f"{FOLDER}/{target}/index.html" if (root / target).is_dir() else f"{FOLDER}/{target}"


def _listing(target: str, names: list[str]) -> str:
    items = "".join(f'<li><a href="{html.escape(n)}">{html.escape(n)}</a></li>' for n in names)
    title = html.escape(target)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><ul>{items}</ul></body></html>"
    )
