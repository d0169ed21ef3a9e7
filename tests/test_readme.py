"""What README.md and docs/ tell a user to type and to open; README's commands are run here."""

import dataclasses
import importlib
import re
import shlex
import shutil
import tomllib
from argparse import ArgumentParser
from pathlib import Path

import pytest
import tomli_w
from stub_run import write_stubs

import tumorcam
from jobs import __main__ as command_line
from jobs import pipeline
from tumorcam.applied.calls import Calls
from tumorcam.applied.new_cohort import NewSamples
from tumorcam.applied.predictions import Logits
from tumorcam.applied.reference import Calibration, FoldReference, Reference
from tumorcam.applied.shift import HangingCalls
from tumorcam.cohort.cohort import (
    CohortFile,
    CohortGenes,
    CohortLayouts,
    CohortSamples,
    read_cohort,
)
from tumorcam.explain.shards import MethodMaps, Shard
from tumorcam.faithfulness.results import (
    Deletion,
    FaithfulnessChecks,
    MarkerLifts,
    Nulls,
    PlantedScores,
    SampleFalls,
    Stability,
)
from tumorcam.settings.config import Config, config_tables, load_config
from tumorcam.significance.tables import (
    Classification,
    DecoyStatistics,
    NullRuns,
    Ranking,
    SharedTables,
)
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import HeldOut, TrainedModel
from tumorcam.training.baselines import Baselines

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks_of(text: str) -> list[list[str]]:
    """The commands of each block for a shell."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [[line.strip() for line in block.splitlines() if line.strip()] for block in blocks]


README, DESIGN = read(ROOT / "README.md"), read(ROOT / "docs" / "design.md")
TEXT = "\n".join(map(read, PAGES))
README_BLOCKS = blocks_of(README)
COMMANDS = [command for block in blocks_of(TEXT) for command in block]
OF_TUMORCAM = sorted({command for command in COMMANDS if command.startswith("tumorcam ")})
NOT_RUN = ("source", "python3 -m venv", "my-environment/bin/pip")  # they make an environment
COMPUTING = ("run", "show", "apply")  # of these the plan alone is printed here
SAMPLE = "TCGA-01-0001-01"  # of the demo at full size
SMALL = {"genes": 120, "samples_per_tumor": 6, "drivers": 2}
HISTORY = (
    "epoch,training_loss,validation_loss,validation_accuracy,learning_rate,seconds\n"
    "0,1.5,1.2,0.4,0.001,3.0\n"
)
RECORDS = [
    *(CohortFile, CohortSamples, CohortGenes, CohortLayouts),
    *(TrainedModel, HeldOut, Baselines, Shard, MethodMaps),
    *(Reference, FoldReference, Calibration, NewSamples, Logits, Calls, HangingCalls),
    *(SharedTables, Classification, Ranking, DecoyStatistics, NullRuns),
    *(FaithfulnessChecks, SampleFalls, Deletion, Nulls, Stability, MarkerLifts, PlantedScores),
]


@pytest.fixture(scope="module")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with a small finished demo and a user's own two files."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copytree(ROOT / "configs", "configs")
        for name in ("demo", "demo-permuted"):
            path = Path("configs", f"{name}.toml")
            tables = tomllib.loads(read(path))
            tables["synthesize"] = tables.get("synthesize", {}) | SMALL
            tables["cohort"]["genes"] = 100
            path.write_text(tomli_w.dumps(tables), encoding="utf-8")
        config = load_config(Path("configs", "demo.toml"))
        for stage in ("synthesize", "prepare"):
            assert command_line.main([stage, "configs/demo.toml"]) == 0
        write_stubs(config)
        RunFolder.of(config).history(ModelKey(0, 0)).write_text(HISTORY, encoding="utf-8")
        for name in ("expression.tsv.gz", "samples.tsv"):
            shutil.copy(RunFolder.of(config).input.root / name, name)
    return folder


@pytest.fixture
def project(finished_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, in which a test types commands; no squeue of this machine is asked."""
    copy = tmp_path / "project"
    shutil.copytree(finished_demo, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("PATH", str(tmp_path))
    return copy


@pytest.mark.parametrize("block", README_BLOCKS, ids=lambda block: block[0])
def test_every_command_of_the_readme_works(block, project):
    config = load_config(Path("configs/demo.toml"))
    sample = read_cohort(RunFolder.of(config).cohort, config).sample[0]
    for command in block:
        words = [sample if word == SAMPLE else word for word in shlex.split(command)]
        if words[0] == "tumorcam":
            dry = ["--dry-run"] if words[1] in COMPUTING else []
            assert command_line.main([*words[1:], *dry]) == 0, command
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", read(ROOT / "Makefile"), re.MULTILINE), command
        elif words[:2] == ["python", "-m"]:
            assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").exists(), command
        elif words[0] in ("sbatch", "python") or words[0].startswith("slurm/"):
            script = next(word for word in words if word.endswith((".sh", ".py")))
            assert (ROOT / script).exists(), command
        else:
            assert command.startswith(NOT_RUN), command


def test_make_demo_runs_the_pipeline(project, capsys):
    assert "tumorcam run configs/demo.toml" in read(ROOT / "Makefile")
    shutil.rmtree("runs")  # a dry run names what is left
    assert command_line.main(["run", "configs/demo.toml", "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert all(f"-m jobs {stage} configs/demo.toml" in plan for stage in pipeline.STAGES)


def parser_of(name: str) -> ArgumentParser:
    parser = ArgumentParser(prog=f"tumorcam {name}", exit_on_error=False)
    importlib.import_module(f"jobs.{command_line.MODULES[name]}").COMMAND.fill_parser(parser)
    return parser


@pytest.mark.parametrize("command", OF_TUMORCAM)
def test_shown_commands_are_understood(command):
    _, name, *words = shlex.split(command)
    parser_of(name).parse_args(words)


@pytest.mark.parametrize("name", sorted(command_line.MODULES.keys() - {"init", "inspect", "fetch"}))
def test_every_command_has_a_dry_run_and_overrides(name):
    usage = parser_of(name).format_usage()
    assert "--dry-run" in usage and "--set" in usage


@pytest.mark.parametrize("text", [README, DESIGN], ids=["README.md", "design.md"])
def test_every_command_is_described(text):
    assert [name for name in command_line.MODULES if f"`{name}`" not in text] == []


def test_every_package_is_described():
    entries = {path.stem for path in (ROOT / "tumorcam").iterdir() if not path.stem.startswith("_")}
    rows = re.findall(r"^\| `(\w+)` \|", DESIGN.partition("## Code")[2], re.MULTILINE)
    assert set(rows) == entries - {"py"}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_part_of_a_file_is_described(record):
    part = DESIGN.partition("### Datasets")[2].partition("## Code")[0]
    words = set(re.findall(r"\w+", part))
    assert {field.name for field in dataclasses.fields(record)} - words - {"methods"} == set()


def test_every_path_named_exists():
    named = re.findall(r"\b(?:slurm|configs|tests|jobs|tumorcam|docs)/[\w./-]*\w\.\w+", TEXT)
    assert [path for path in sorted(set(named)) if not (ROOT / path).exists()] == []


def test_every_module_named_exists():
    packages = "|".join(path.name for path in (ROOT / "tumorcam").iterdir() if path.is_dir())
    named = set(re.findall(rf"`((?:{packages})\.\w+)(?:\.\w+)*`", TEXT))
    sections = config_tables(Config())
    settings = {f"{section}.{key}" for section, table in sections.items() for key in table}
    modules = {name for name in named - settings if not name.endswith((".h5", ".py"))}
    paths = {name: ROOT / "tumorcam" / f"{name.replace('.', '/')}.py" for name in modules}
    assert modules and [name for name, path in paths.items() if not path.exists()] == []


def test_every_function_of_the_library_is_there():
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = set(re.findall(r"tumorcam\.(\w+)\(", block))
    named = names | {name for name in tumorcam.LIBRARY if f"`{name}`" in README}
    assert named == set(tumorcam.LIBRARY)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", read(page))
    for target, heading in links:
        if "://" in target:
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
            assert heading in {title.lower().replace(" ", "-") for title in titles}, heading


def test_every_set_key_is_known():
    known = {f"{s}.{key}" for s, table in config_tables(Config()).items() for key in table}
    keys = re.findall(r"--set ([a-z_]+\.[a-z_]+)=", TEXT)
    assert keys and {key for key in keys if key != "section.key"} <= known


def test_the_shown_config_is_valid(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "my.toml").write_text(block, encoding="utf-8")
    assert load_config(tmp_path / "my.toml").run.name == "my-cohort"


def test_shell_words_in_blocks_are_sound():
    for command in COMMANDS:
        assert shlex.split(command), command


def test_nothing_names_a_place_of_one_machine():
    assert not re.findall(r"(?:^|[\s`(])/(?:home|root|work|tmp|scratch)\b", TEXT)
