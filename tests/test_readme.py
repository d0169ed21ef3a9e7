"""What README.md and docs/ tell a user to type and to open; their commands are run here."""

import dataclasses
import importlib
import importlib.util
import re
import shlex
import shutil
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import gdc_stand_in
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
from tumorcam.operations.gdc_server import GdcServer
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


README = read(ROOT / "README.md")
DESIGN, FILES = read(ROOT / "docs" / "design.md"), read(ROOT / "docs" / "files.md")
TEXT = "\n".join(map(read, PAGES))
BLOCKS = [(page, block) for page in PAGES for block in blocks_of(read(page))]
COMMANDS = [command for _, block in BLOCKS for command in block]
OF_TUMORCAM = sorted({command for command in COMMANDS if command.startswith("tumorcam ")})
# What is not run here, by the words it begins with, and why. A path that it names must exist.
NOT_RUN = {
    "source": "it changes the shell that types it",
    "python3 -m venv": "makes an environment; CI installs the wheel into one",
    "python -m venv": "makes an environment; CI installs the wheel into one",
    "my-environment/bin/pip": "installs packages; CI installs the wheel",
    ".venv/bin/pip": "installs packages; CI installs the wheel",
    ".venv-wheels/bin/pip": "downloads packages for another machine",
    "module load": "modules are a site's own",
    "apptainer": "needs Apptainer, which no test machine has",
    "sbatch": "needs Slurm; tests/slurm/ runs the scripts on a Slurm of its own",
    "slurm/pipeline.sh": "needs Slurm; tests/slurm/ runs it with a stand-in for sbatch",
    "cat preflight.out": "the output of a job on a site",
    "make": "takes minutes; .ci/run calls it; its target must exist",
    "python -m benchmarks": "takes minutes to hours; the module must exist",
    "python tests/": "takes hours; the file must exist",
    "hub=": "a variable of the shell, for curl",
    "curl": "downloads from servers that a test must not ask",
}
VARIABLES = ("TUMORCAM_FUZZ_EXAMPLES=", "READER_FUZZ_SECONDS=")  # before pytest
RUN_ELSEWHERE = {
    "tutorial.md": "tests/test_tutorial.py runs them on real data, where it is",
    "compare.md": "tests/jobs/test_compare.py and test_enrich.py run them on two finished runs",
}
COMPUTING = ("run", "show", "apply", "preflight")  # of these the plan alone is printed here
STANDS_FOR = {"configs/tcga.toml": "configs/demo.toml"}  # the finished run stands for a large one
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


@pytest.fixture
def gdc(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that stands for the GDC's."""
    monkeypatch.setattr(GdcServer.__init__, "__defaults__", (gdc_stand_in.QUICK, None))
    with gdc_stand_in.running(30) as server:
        server.add(30, "TCGA-LUAD")
        yield server.url


def in_small(words: list[str], gdc: str) -> list[str]:
    """A command on the small demo: what takes long prints its plan, and no other host is asked."""
    if words[1] in COMPUTING and "--dry-run" not in words:
        return [*words, "--dry-run"]
    return [*words, "--server", gdc] if words[1] == "fetch" else words


def is_path(word: str) -> bool:
    return bool(re.fullmatch(r"(slurm|tests|benchmarks|configs)/[\w./-]+", word))


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{p.name}: {b[0]}" for p, b in BLOCKS])
def test_every_command_of_the_documents_works(page, block, project, gdc):
    config = load_config(Path("configs/demo.toml"))
    stands_for = STANDS_FOR | {SAMPLE: read_cohort(RunFolder.of(config).cohort, config).sample[0]}
    if not any("init my.toml" in command for command in block):
        stands_for["my.toml"] = "configs/demo.toml"
    for command in block:
        words = [stands_for.get(word, word) for word in shlex.split(command, comments=True)]
        if words[0] == "tumorcam" and page.name not in RUN_ELSEWHERE:
            assert command_line.main(in_small(words, gdc)[1:]) == 0, command
        elif words[0] != "tumorcam":
            assert command.startswith((*NOT_RUN, *VARIABLES)), f"say in NOT_RUN why: {command}"
            assert [word for word in filter(is_path, words) if not (ROOT / word).exists()] == []
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", read(ROOT / "Makefile"), re.MULTILINE), command
        if command.startswith("python -m benchmarks"):
            assert importlib.util.find_spec(words[2]), command


def test_what_is_not_run_has_a_reason_and_a_use():
    typed = [command for command in COMMANDS if not command.startswith("tumorcam")]
    assert [start for start in NOT_RUN if not any(c.startswith(start) for c in typed)] == []
    assert all(len(reason.split()) > 3 for reason in (*NOT_RUN.values(), *RUN_ELSEWHERE.values()))
    assert [name for name in RUN_ELSEWHERE if not (ROOT / "docs" / name).exists()] == []


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
    words = set(re.findall(r"\w+", FILES.partition("## Datasets")[2]))
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
