"""Say what is understood of your files, and why, before there is a config: nothing is written."""

import argparse
import sys
from collections.abc import Sequence

from .command import add_overrides, describe, message_of, with_streams

EXAMPLES = (
    "matrix.tsv.gz samples.tsv",
    "counts/ gdc_sample_sheet.tsv --set input.scale=counts",
    "atlas.h5ad --set input.layer=counts",
)


class Inspect:
    """The command `tumorcam inspect`, which needs no config."""

    def fill_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments and examples."""
        describe(parser, "inspect", __doc__, EXAMPLES)
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="files, folders or patterns of the input"
        )
        parser.add_argument(
            "--samples",
            action="append",
            metavar="TABLE",
            help="a samples table (without this option, tables of texts are taken for such)",
        )
        add_overrides(parser)


COMMAND = Inspect()


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is understood; the exit code, 1 if `prepare` would stop."""
    return with_streams(lambda: _inspect(argv))


def _inspect(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="tumorcam inspect")
    COMMAND.fill_parser(parser)
    args = parser.parse_args(argv)
    from tumorcam.cluster.launcher import current_launch
    from tumorcam.cluster.streams import say
    from tumorcam.operations.inspection import Roles, config_of_files, file_roles, inspect
    from tumorcam.settings.config import override_tables

    try:
        roles = Roles(args.files, args.samples) if args.samples else file_roles(args.files)
        config = config_of_files(*roles, override_tables(args.overrides))
        print("expression:", *config.input.expression)
        print("samples:", *(config.input.samples or ["in the same file"]))
        return 0 if inspect(config, current_launch(), print) else 1
    except Exception as error:
        say(f"error: {message_of(error)}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
