"""Write a config for your own files, or lay out Slurm scripts, example configs and documents."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .command import describe

BESIDE = Path(__file__).resolve().parents[1]  # of configs/, slurm/ and docs/, also in a wheel
CLUSTER_FOLDERS = ("slurm", "configs", "docs")
EXAMPLES = (
    "my.toml --expression matrix.tsv.gz --samples samples.tsv --scale counts",
    "--slurm",
)
TEMPLATE = """\
# A run of tumorcam. Next: tumorcam prepare {config} --dry-run, then tumorcam run {config}
# docs/settings.md lists every setting; what is not named here has its default.

[run]
name = {name}               # the run's files stand in runs/{stem}

[input]
expression = {expression}   # TSV, CSV (plain or .gz) or .h5ad; genes in rows or in columns
samples = {samples}         # table that gives each sample its tumor; empty for .h5ad: its obs
scale = {scale}             # of the values: log2 (of x + 1), counts, tpm, fpkm, rsem or as_is
# sample_column, tumor_column, patient_column = "..."   where the names are not recognised

[cohort]
sample_types = []           # such as ["01"], primary tumors of TCGA; empty: all samples
# tumors = ["BRCA", "LUAD"] # empty or left out: all

[splits]
folds = 5                   # each sample is explained by networks that never saw its patient

[layout]
replicates = 8              # networks a fold; more make the ranking steadier

[training]
epochs = 30
"""


@dataclass(frozen=True)
class Init:
    """The command `tumorcam init`, which needs no config."""

    def fill_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments and examples."""
        describe(parser, "init", __doc__, EXAMPLES)
        parser.add_argument("config", nargs="?", type=Path, help="TOML file to write")
        parser.add_argument("--expression", default="", help="expression matrix")
        parser.add_argument("--samples", default="", help="samples table")
        parser.add_argument("--scale", default="log2", help="what the values are (default: log2)")
        parser.add_argument(
            "--slurm",
            action="store_true",
            help=f"copy {', '.join(CLUSTER_FOLDERS)} into this folder",
        )


COMMAND = Init()


def main(argv: Sequence[str] | None = None) -> int:
    """Write what was asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="tumorcam init")
    COMMAND.fill_parser(parser)
    args = parser.parse_args(argv)
    if args.config is None and not args.slurm:
        parser.error("name the config to write, or pass --slurm")
    try:
        if args.config is not None:
            print(f"wrote {write_config(args)}; next: tumorcam prepare {args.config} --dry-run")
        if args.slurm:
            print("wrote", *copy_folders(Path.cwd()), sep="\n  ")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def write_config(args: argparse.Namespace) -> Path:
    """Write the config that names the user's files; its path.

    Raises
    ------
    ConfigError
        If the config exists, a file does not, or the scale is unknown.
    """
    import tomli_w

    from tumorcam.config import load_config
    from tumorcam.errors import ConfigError
    from tumorcam.storage.hdf5 import write_aside

    path: Path = args.config
    if path.exists():
        msg = f"{path} is there already; name another file, or edit that one"
        raise ConfigError(msg)
    for name in filter(None, (args.expression, args.samples)):
        if not Path(name).is_file():
            msg = f"{name} is no file; check --expression and --samples"
            raise ConfigError(msg)
    values = {"name": path.stem, "expression": args.expression, "samples": args.samples}
    texts = {
        name: tomli_w.dumps({"value": value}).partition(" = ")[2].strip()
        for name, value in (values | {"scale": args.scale}).items()
    }
    with write_aside(path) as aside:
        aside.write_text(TEMPLATE.format(config=path, stem=path.stem, **texts), encoding="utf-8")
        load_config(aside)  # refuses an unknown scale
    return path


def copy_folders(folder: Path) -> list[Path]:
    """Copy the Slurm scripts, example configs and documents; the files written.

    Files that are there stay as they are: a site's own settings are never overwritten.
    """
    written = []
    for name in CLUSTER_FOLDERS:
        for source in sorted((BESIDE / name).iterdir()):
            target = folder / name / source.name
            if source.is_file() and not target.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copy(source, target)
                written.append(target)
    return written


if __name__ == "__main__":
    sys.exit(main())
