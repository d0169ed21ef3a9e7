"""The command `tumorcam`: each job is a subcommand, as in `tumorcam train CONFIG`."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from .command import with_streams

MODULES = {  # of each subcommand; the stages of the pipeline in their order
    "fetch": "fetch",
    "inspect": "inspect",
    "init": "init",
    "run": "pipeline",
    "synthesize": "synthesize",
    "prepare": "prepare",
    "train": "train",
    "explain": "explain",
    "reduce": "reduce",
    "faithfulness": "faithfulness",
    "report": "report",
    "apply": "apply",
    "classify": "classify",
    "export": "export",
    "show": "show",
    "compare": "compare",
    "enrich": "enrich",
    "status": "status",
    "verify": "verify",
    "clean": "clean",
    "preflight": "preflight",
}
SUMMARIES = {
    "fetch": "download gene expression from the GDC",
    "inspect": "say what is understood of your files",
    "init": "write a config for your own files",
    "run": "run all stages on this machine",
    "synthesize": "write a cohort with planted driver genes",
    "prepare": "read, check and filter the input; write cohort.h5",
    "train": "train the networks and the baselines",
    "explain": "compute saliency maps of held-out samples",
    "reduce": "compute the significance tables from all shards",
    "faithfulness": "check whether the rankings are right",
    "report": "write tables, figures and the web page",
    "apply": "apply the networks of a run to new samples",
    "classify": "classify new samples, as a part of apply",
    "export": "write the networks as one file for other programs",
    "show": "print one gene, one tumor or one sample's map",
    "compare": "compare two finished runs",
    "enrich": "test gene sets of a GMT file on the rankings",
    "status": "say what is done, missing or damaged",
    "verify": "read every byte of a run and check it",
    "clean": "move files of other settings aside",
    "preflight": "check what a site gives a job",
}
COMPLETION = "--print-completion"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit code, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words and words[0] in MODULES:
            code: int = _module(words[0]).main(words[1:])
            return code
        return with_streams(lambda: _run_without_subcommand(words))
    except KeyboardInterrupt:  # before a job takes the signal, or after it
        from tumorcam.cluster.preemption import INTERRUPTED

        print("stopped by Ctrl-C", file=sys.stderr)
        return INTERRUPTED


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{MODULES[name]}")


def _run_without_subcommand(words: Sequence[str]) -> int:
    """Answer --help, --version and a request for completion; refuse anything else."""
    if words and words[0] == COMPLETION:
        return _print_completion(words[1:])
    parser = _parser()
    parser.parse_args(words)
    parser.print_help()
    return 0


def _parser() -> argparse.ArgumentParser:
    import tumorcam

    lines = [f"  {name:14}{summary}" for name, summary in SUMMARIES.items()]
    parser = argparse.ArgumentParser(
        prog="tumorcam",
        usage="tumorcam COMMAND CONFIG [--set section.key=value ...]",
        description="Which genes drive a network's classification of tumors.",
        epilog="\n".join(
            [
                "commands:",
                *lines,
                "",
                "tumorcam COMMAND --help shows the options of a command and examples.",
                f'Tab completion for bash: eval "$(tumorcam {COMPLETION} bash)"; also zsh, tcsh.',
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tumorcam {tumorcam.__version__}")
    parser.add_argument("command", nargs="?", choices=MODULES, metavar="COMMAND")
    return parser


def _print_completion(words: Sequence[str]) -> int:
    """Print a script for a shell that completes subcommands and options."""
    import shtab

    parser = argparse.ArgumentParser(prog=f"tumorcam {COMPLETION}")
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    shell = parser.parse_args(words).shell
    whole = argparse.ArgumentParser(prog="tumorcam")
    whole.add_argument("--version", action="store_true", help="print the version")
    subparsers = whole.add_subparsers()
    for name, summary in SUMMARIES.items():
        _module(name).COMMAND.fill_parser(subparsers.add_parser(name, help=summary))
    print(shtab.complete(whole, shell=shell))
    return 0


if __name__ == "__main__":
    sys.exit(main())
