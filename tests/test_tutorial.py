"""The tutorial's commands on the real data, in small: fewer genes, networks and epochs."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gdc_stand_in
import pytest
from test_readme import blocks_of, read

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
FILES = {
    "expression.tsv.gz": DATA / "tcga_19types_log2rsem.tsv.gz",
    "samples.tsv": DATA / "tcga_19types_samples.tsv",
}
TUTORIAL = read(ROOT / "docs" / "tutorial.md")
COMMANDS = [command for block in blocks_of(TUTORIAL) for command in block]
TUMORS = ("BRCA", "KIRC", "LIHC", "LUAD", "LUSC", "THCA")
SMALL = {
    "cohort.genes": 100,
    "splits.folds": 2,
    "layout.replicates": 1,
    "training.epochs": 2,
}
SET = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
needs_data = pytest.mark.skipif(
    not all(path.exists() for path in FILES.values()),
    reason=f"the real data of the tutorial are not there: {DATA}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with the two files and the config that the tutorial says to save."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name, path in FILES.items():
        (folder / name).symlink_to(path)
    (config,) = re.findall(r"```toml\n(.*?)```", TUTORIAL, re.DOTALL)
    (folder / "six-tumors.toml").write_text(config, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def outputs(folder: Path) -> dict[str, str]:
    """What each command on these files prints; all of them end well."""
    return {c: typed(c, folder) for c in COMMANDS if "six-tumors.toml" in c or " inspect " in c}


@pytest.fixture
def gdc(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that has five files of each of the six tumors."""
    with gdc_stand_in.running() as server:
        for number in range(30):
            server.add(number, f"TCGA-{TUMORS[number // 5]}")
        yield server.url


def typed(command: str, folder: Path, *more: str) -> str:
    _, name, *words = shlex.split(command)
    words += [] if name in ("inspect", "fetch", "init") else SET
    job = subprocess.run(
        [sys.executable, "-m", "jobs", name, *words, *more],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert job.returncode == 0, f"{command}\n{job.stdout}{job.stderr}"
    return job.stdout + job.stderr


def printed_lines(start: str) -> list[str]:
    """The lines of the tutorial's outputs that begin so, as patterns; "..." stands for more."""
    blocks = "\n".join(re.findall(r"```text\n(.*?)```", TUTORIAL, re.DOTALL))
    lines = [line for line in blocks.splitlines() if line.startswith(start)]
    return [re.escape(line).replace(re.escape("..."), ".*") for line in lines]


@needs_data
@pytest.mark.real_data
@pytest.mark.slow
def test_the_commands_print_what_the_tutorial_shows(outputs):
    printed = "\n".join(outputs.values())
    for start in ("orientation:", "patients:", "normals:", "tumors:"):
        patterns = printed_lines(start)
        assert patterns, start
        assert [line for line in patterns if not re.search(line, printed)] == []
    assert "403 samples of 6 tumors, 100 genes and 100 decoys" in printed


@needs_data
@pytest.mark.real_data
@pytest.mark.slow
def test_the_run_ends_with_a_page(outputs, folder):
    assert (folder / "runs" / "six-tumors" / "report" / "index.html").stat().st_size > 100_000
    assert len(outputs) >= 6


@pytest.mark.slow
def test_the_download_is_what_init_reads(tmp_path, gdc):
    fetch, init = (command for command in COMMANDS if "gdc" in command)
    printed = typed(fetch, tmp_path, "--server", gdc)
    assert "24 files" in printed  # of 30, every fifth is a normal sample
    typed(init, tmp_path)
    assert 'scale = "counts"' in (tmp_path / "six-tumors-gdc.toml").read_text(encoding="utf-8")


def test_every_command_of_the_tutorial_is_run_or_downloads():
    used = [c for c in COMMANDS if "six-tumors" in c or " inspect " in c or " fetch " in c]
    assert [c for c in COMMANDS if c not in used and not c.startswith(("hub=", "curl "))] == []
