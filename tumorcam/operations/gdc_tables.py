"""Manifest and sample sheet of a download, in the layouts of the GDC's portal."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tumorcam.errors import FileError, StaleError
from tumorcam.operations.gdc_query import GdcFile, GdcSample
from tumorcam.readers.wording import listed
from tumorcam.storage.hdf5 import write_text

MANIFEST, SHEET = "gdc_manifest.txt", "gdc_sample_sheet.tsv"
MANIFEST_HEADER = ("id", "filename", "md5", "size", "state")
SHEET_HEADER = (
    *("File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID"),
    *("Tissue Type", "Tumor Descriptor", "Specimen Type", "Preservation Method"),
)


def write_tables(folder: Path, files: Sequence[GdcFile]) -> None:
    """Write the manifest and the sample sheet of some files, each whole or not at all.

    Errors as in `require_same_download`, which is asked first.
    """
    require_same_download(folder, files)
    write_text(folder / MANIFEST, manifest_text(files))
    write_text(folder / SHEET, sheet_text(files))


def require_same_download(folder: Path, files: Sequence[GdcFile]) -> None:
    """Check that what a folder holds is the beginning of this download.

    Raises
    ------
    StaleError
        If the folder's manifest lists other files, or the same ones with another name, size or MD5.
    FileError
        If the manifest cannot be understood, or a sample sheet is there without one.
    """
    path = folder / MANIFEST
    if not path.exists():
        if (folder / SHEET).exists():
            msg = (
                f"{folder / SHEET} is there without {MANIFEST}, so it may be of another download; "
                "move it away, or use another folder for --out"
            )
            raise FileError(msg)
        return
    old, new = _read_manifest(path), {file.file_id: _row(file) for file in files}
    changed = [
        f"{file_id}: the manifest has {' '.join(old[file_id][1:4])}, the server "
        f"{' '.join(new[file_id][1:4])}"
        for file_id in sorted(old.keys() & new.keys())
        if old[file_id][1:4] != new[file_id][1:4]
    ]
    gone = sorted(old.keys() - new.keys())
    remedy = (
        "nothing was changed. Fetch into another --out; or delete "
        f"{path} and {folder / SHEET}, then this command fetches what is not there yet"
    )
    if changed:
        msg = f"{len(changed)} files of {path} have changed on the server: {'; '.join(changed[:3])}"
        raise StaleError(f"{msg}{'; …' if changed[3:] else ''}; {remedy}")
    if gone:
        msg = (
            f"{path} lists {len(gone)} files that are not asked for or not on the server now: "
            f"{listed(gone)}; to add projects, name all of them in one command; {remedy}"
        )
        raise StaleError(msg)


def manifest_text(files: Iterable[GdcFile]) -> str:
    """The manifest of some files, as gdc-client takes it."""
    return _table(MANIFEST_HEADER, map(_row, files))


def sheet_text(files: Iterable[GdcFile]) -> str:
    """The sample sheet of some files, in the portal's layout of 11 columns.

    Several cases or samples of a file are separated by ", ".
    """
    return _table(SHEET_HEADER, map(_sheet_row, files))


def _row(file: GdcFile) -> tuple[str, ...]:
    return (file.file_id, file.name, file.md5, str(file.size), file.state)


def _sheet_row(file: GdcFile) -> tuple[str, ...]:
    samples: list[GdcSample] = [sample for case in file.cases for sample in case.samples]
    cells = [
        [case.project for case in file.cases],
        [case.case for case in file.cases],
        [sample.sample for sample in samples],
        [sample.tissue_type for sample in samples],
        [sample.tumor_descriptor for sample in samples],
        [sample.specimen_type for sample in samples],
        [sample.preservation_method for sample in samples],
    ]
    return (file.file_id, file.name, file.category, file.data_type, *map(", ".join, cells))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in (header, *rows))


def _read_manifest(path: Path) -> dict[str, tuple[str, ...]]:
    """The rows of a manifest by file ID."""
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = [tuple(line.split("\t")) for line in text.splitlines() if line.strip()]
    is_manifest = bool(rows) and rows[0] == MANIFEST_HEADER
    if not is_manifest or any(len(row) != len(MANIFEST_HEADER) for row in rows):
        msg = (
            f"{path} is no manifest of the GDC (wanted the columns {' '.join(MANIFEST_HEADER)}); "
            "move it away, or use another folder for --out"
        )
        raise FileError(msg)
    return {row[0]: row for row in rows[1:]}
