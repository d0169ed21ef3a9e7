"""The documentation as web pages: strict, every link is right, nothing is loaded."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from site_pages import addresses_elsewhere, broken_links, page_parts

ROOT = Path(__file__).parents[1]
MISSING = [
    name for name in ("mkdocs", "material", "mkdocstrings") if not importlib.util.find_spec(name)
]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_mkdocs = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; see setup.cfg"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    build = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert build.returncode == 0, build.stderr[-3000:]
    return folder


@pytest.mark.slow
@needs_mkdocs
def test_every_link_and_anchor_of_the_site_leads_somewhere(site):
    assert len(list(site.glob("*.html"))) > 15
    assert broken_links(site, left_out=("404.html",)) == []  # its links begin at a server's root


@pytest.mark.slow
@needs_mkdocs
def test_the_site_loads_nothing_from_another_host(site):
    assert addresses_elsewhere(site) == []


@pytest.mark.slow
@needs_mkdocs
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_site_opens_and_is_searched_from_its_files(site):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.focus("input.md-search__input")
        page.keyboard.type("decoy")
        page.wait_for_selector(".md-search-result__item", timeout=60_000)
        titles = page.inner_text(".md-search-result__list")
        browser.close()
    assert "Decoys" in titles
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert errors == []


@pytest.mark.slow
@needs_mkdocs
def test_what_pages_link_to_outside_docs_is_in_the_site(site):
    copy = site / "repository" / "configs" / "demo.toml"
    assert copy.read_bytes() == (ROOT / "configs" / "demo.toml").read_bytes()
    assert "train.sh" in page_parts((site / "repository/slurm/index.html").read_text()).links


def test_the_menu_has_every_page_once():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; it comes with mkdocs")

    class Loader(yaml.SafeLoader):
        """Reads mkdocs.yml, whose tags for Python stay unread."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    menu = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"]
    pages = [page for entry in menu for page in entry.values()]
    assert sorted(pages) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert next(iter(menu[0])) == "Home"


def test_make_docs_sets_itself_up_and_git_ignores_the_site():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "docs: .venv/dev.stamp" in makefile and "mkdocs build --strict" in makefile
    assert "/site/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


PAGE = """<h1 id="top">A</h1><a href="b.html#there">right</a><a href="#top">right</a>
<a href="b.html#nowhere">no anchor</a><a href="c.html">no page</a><a href="../out.html">outside</a>
<a href="https://example.org/x">another host may be linked to</a><a href="mailto:a@b.c">mail</a>
<img src="picture.png"><script src="//cdn.example.org/x.js"></script>"""


def test_a_broken_link_is_named(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "out.html").write_text("<p>")
    (tmp_path / "site" / "a.html").write_text(PAGE)
    (tmp_path / "site" / "b.html").write_text('<p id="there">')
    assert broken_links(tmp_path / "site") == [
        f"a.html: {address}"
        for address in ("b.html#nowhere", "c.html", "../out.html", "picture.png")
    ]


def test_a_file_of_another_host_is_named(tmp_path):
    (tmp_path / "a.html").write_text(PAGE)
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.example.org/a.woff') }")
    assert addresses_elsewhere(tmp_path) == [
        "a.html: //cdn.example.org/x.js",
        "a.css: https://fonts.example.org/a.woff",
    ]
