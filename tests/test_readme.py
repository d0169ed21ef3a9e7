"""What README.md and docs/ tell a user to type and to open."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from jobs import pipeline
from tumorcam.config import Config, config_tables, load_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
JOBS = sorted(
    path.stem for path in (ROOT / "jobs").glob("*.py") if path.stem not in ("__init__", "command")
)
OF_JOBS = sorted({command for command in COMMANDS if " -m jobs." in command})


def help_of(job: str, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"jobs.{job}").main(["--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_help_with_an_example(job, capsys):
    said = help_of(job, capsys)
    assert f"python -m jobs.{job} configs/demo.toml" in said
    assert "--set" in said and "--dry-run" in said


@pytest.mark.parametrize("command", OF_JOBS)
def test_shown_commands_use_options_that_exist(command, capsys):
    words = shlex.split(command)
    job = words[words.index("-m") + 1].removeprefix("jobs.")
    said = help_of(job, capsys)
    for word in words:
        if word.startswith("--"):
            assert word in said, f"{job} has no {word}"


def test_every_job_is_in_the_readme_and_the_design():
    for page in ("README.md", "docs/design.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [job for job in JOBS if f"`{job}`" not in text] == [], page


def test_every_path_named_exists():
    named = re.findall(r"\b(?:slurm|configs|tests|jobs|tumorcam|docs)/[\w./-]*\w\.\w+", TEXT)
    assert [path for path in sorted(set(named)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_set_key_is_known():
    known = {f"{s}.{key}" for s, table in config_tables(Config()).items() for key in table}
    keys = re.findall(r"--set ([a-z_]+\.[a-z_]+)=", TEXT)
    assert keys and {key for key in keys if key != "section.key"} <= known


def test_the_shown_config_is_valid(tmp_path):
    (block,) = re.findall(
        r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "my.toml").write_text(block, encoding="utf-8")
    assert load_config(tmp_path / "my.toml").run.name == "my-cohort"


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", "\n".join(COMMANDS), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_quick_start_plans_all_stages(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for config in ("configs/demo.toml", "configs/demo-permuted.toml"):
        assert pipeline.main([config, "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert all(f"jobs.{stage} {config}" in said for stage in pipeline.STAGES)


def test_shell_words_in_blocks_are_sound():
    for command in COMMANDS:
        assert shlex.split(command), command


def test_nothing_names_a_place_of_one_machine():
    assert not re.findall(r"(?:^|[\s`(])/(?:home|root|work|tmp|scratch)\b", TEXT)
