"""Write the report of a finished run: tables, figures and one web page."""

from jobs import command
from tumorcam.cluster.logs import logger, start_logging
from tumorcam.config import Config


def main(argv: list[str] | None = None) -> int:
    """Run the job; its exit code."""
    args = command.parser(
        "report",
        "Write report/ of a run that jobs.reduce has finished. Needs no TensorFlow.",
        "configs/demo.toml",
        "configs/demo.toml --set report.method=guided_grad_cam --set report.top=50",
    ).parse_args(argv)

    def body(config: Config) -> None:
        from tumorcam.report import page, results

        if not args.dry_run:
            start_logging(config.folder, "report")
        run = results.read_run(config)
        folder = config.folder / "report"
        if args.dry_run:
            print(f"would write to {folder}:", *page.report_files(run), sep="\n  ")
            return
        page.write_report(run, folder)
        logger.info("see %s", folder / "index.html")

    return command.run(args, body)


if __name__ == "__main__":
    raise SystemExit(main())
