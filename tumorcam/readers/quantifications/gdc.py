"""Sample sheets and manifests of the GDC, which say whose sample each file of a download is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.column_names import plain_spelling
from tumorcam.readers.matrix import SAMPLE, Drop, Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.wording import listed, plain

SHEET_FILES = "gdc_sample_sheet*"
SHEET_COLUMNS = {"fileid", "filename", "sampleid"}
MANIFEST_COLUMNS = {"id", "filename", "md5"}
TYPE, TISSUE, DESCRIPTOR = "sampletype", "tissuetype", "tumordescriptor"
NAME_PARTS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
ID_CHARACTERS = 8  # of a file ID that tell the aliquots of a sample apart


@dataclass(frozen=True)
class Listing:
    """What sample sheets say of the files of a download.

    Attributes
    ----------
    labels : DataFrame
        A row for each file, all texts; the column "sample" has the name of its sample and is
        empty where no sheet lists the file.
    is_dropped : list of bool
        Whether a file is of no single sample.
    """

    labels: pd.DataFrame
    is_dropped: list[bool]
    dropped: list[Drop] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


def read_listing(paths: Sequence[Path], tables: Sequence[pd.DataFrame]) -> Listing | None:
    """The rows of the files in the GDC's sample sheets; None if there is no sheet.

    Parameters
    ----------
    tables : sequence of DataFrame
        Tables of the user, some of which may be sample sheets or manifests. Without a sheet among
        them, files gdc_sample_sheet* beside the data are read.

    Raises
    ------
    InputError
        If there is a manifest but no sample sheet, or a sheet contradicts itself.
    """
    sheets = [_with_plain_cells(table) for table in tables if is_sample_sheet(table)]
    manifests = [
        table for table in tables if _has(table, MANIFEST_COLUMNS) and not is_sample_sheet(table)
    ]
    beside = [] if sheets else _sheets_beside(paths)
    sheets += [_with_plain_cells(read_frame(path).table) for path in beside]
    sheets = [sheet for sheet in sheets if is_sample_sheet(sheet)]
    if not sheets:
        if manifests:
            msg = (
                "input.samples is a manifest of the GDC, which does not say whose samples the "
                'files are; download the "Sample Sheet" of the same cart at '
                "https://portal.gdc.cancer.gov and set input.samples to it"
            )
            raise InputError(msg)
        return None
    rows = pd.concat(sheets, ignore_index=True).fillna("").drop_duplicates(ignore_index=True)
    return _listing(paths, rows, manifests, beside)


def is_sample_sheet(table: pd.DataFrame) -> bool:
    """Whether a table is a sample sheet of the GDC, of either layout."""
    return _has(table, SHEET_COLUMNS)


def _has(table: pd.DataFrame, columns: set[str]) -> bool:
    return columns <= {plain_spelling(str(name)) for name in table.columns}


def _cells(table: pd.DataFrame, spelling: str) -> pd.Series:
    """The first column whose name has this plain spelling."""
    position = [plain_spelling(str(name)) for name in table.columns].index(spelling)
    return table.iloc[:, position]


def _sheets_beside(paths: Sequence[Path]) -> list[Path]:
    folders = {folder for path in paths for folder in (path.parent, path.parent.parent)}
    return sorted(sheet for folder in folders for sheet in folder.glob(SHEET_FILES))


def _with_plain_cells(sheet: pd.DataFrame) -> pd.DataFrame:
    """The sheet; a cell that repeats one text, as in "A, A", has it once."""
    return sheet.apply(lambda column: column.map(_once))


def _once(cell: str) -> str:
    parts = {part.strip() for part in str(cell).split(",")}
    return parts.pop() if len(parts) == 1 else str(cell)


def _listing(
    paths: Sequence[Path],
    rows: pd.DataFrame,
    manifests: Sequence[pd.DataFrame],
    beside: Sequence[Path],
) -> Listing:
    row_of_path = _match(paths, rows)
    if max(row_of_path) < 0 and not beside:
        sheet_names = listed(_cells(rows, "filename").tolist())
        msg = (
            f"the sample sheet lists none of the {len(paths)} files, such as "
            f"{plain(str(paths[0]))}; it lists {sheet_names}: give the files the names that "
            "they had when downloaded, or name the sheet of this download in input.samples"
        )
        raise InputError(msg)
    rows = _with_types(rows)
    labels = rows.reindex(row_of_path).fillna("").reset_index(drop=True)
    labels = labels.drop(columns=SAMPLE, errors="ignore")
    names, file_ids = _cells(labels, "sampleid"), _cells(labels, "fileid")
    is_several = names.str.contains(",")
    is_repeated = names.duplicated(keep=False) & (names != "") & ~is_several
    full = names.where(~is_repeated, names + "_" + file_ids.str[:ID_CHARACTERS])
    labels.insert(0, SAMPLE, full)
    drops = [
        Drop("sample", names[row], f"the sample sheet gives {paths[row].name} several samples")
        for row in is_several.index[is_several]
    ]
    drops += _missing_files(paths, rows, {row for row in row_of_path if row >= 0}, manifests)
    n_listed = sum(row >= 0 for row in row_of_path)
    source = ", ".join(path.name for path in beside) or "input.samples"
    facts = [Fact("sample sheet", f"{n_listed} of {len(paths)} files are listed in it", source)]
    if is_repeated.any():
        text = f"{int(is_repeated.sum())} files are several aliquots of a sample"
        reason = "their names end with the first characters of the file ID"
        facts.append(Fact("aliquots", text, reason))
    return Listing(labels, is_several.to_list(), drops, facts)


def _with_types(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column Sample Type, which the sheets of 2024 have as two columns."""
    names = {plain_spelling(str(name)) for name in rows.columns}
    if TYPE in names or not {TISSUE, DESCRIPTOR} <= names:
        return rows
    tissue, descriptor = _cells(rows, TISSUE), _cells(rows, DESCRIPTOR)
    is_tumor = (tissue.str.lower() == "tumor") & ~blank_missing(descriptor).eq("")
    return rows.assign(**{"Sample Type": descriptor.where(is_tumor, tissue)})


def _match(paths: Sequence[Path], rows: pd.DataFrame) -> list[int]:
    """The row of each file, by its folder and name, or its name alone; -1 if it is not listed."""
    ids, names = _cells(rows, "fileid"), _cells(rows, "filename").map(_unpacked)
    _refuse_contradictions(rows, ids, names)
    by_both = {(ids[row], names[row]): row for row in rows.index}
    by_name: dict[str, list[int]] = {}
    for row, name in names.items():
        by_name.setdefault(name, []).append(int(str(row)))
    matches = []
    for path in paths:
        name = _unpacked(path.name)
        row = by_both.get((path.parent.name, name), -1)
        same_name = by_name.get(name, [])
        matches.append(same_name[0] if row < 0 and len(same_name) == 1 else row)
    return matches


def _refuse_contradictions(rows: pd.DataFrame, ids: pd.Series, names: pd.Series) -> None:
    is_repeated = pd.DataFrame({"id": ids, "name": names}).duplicated(keep=False)
    if is_repeated.any():
        files = names[is_repeated].unique().tolist()
        msg = (
            f"the sample sheets have different rows for {len(files)} files, such as "
            f"{listed(files)}; name one sheet in input.samples"
        )
        raise InputError(msg)


def _missing_files(
    paths: Sequence[Path],
    rows: pd.DataFrame,
    matched: set[int],
    manifests: Sequence[pd.DataFrame],
) -> list[Drop]:
    """A drop for each listed file of the kind of the given files that is not among them."""
    kinds = {_kind(path.name) for path in paths}
    ids, names, samples = (_cells(rows, name) for name in ("fileid", "filename", "sampleid"))
    is_missing = [row not in matched and _kind(names[row]) in kinds for row in rows.index]
    drops = [
        Drop("sample", samples[row], f"the sample sheet lists {names[row]}, which is not there")
        for row in rows.index[is_missing]
    ]
    given = {*ids, *(path.parent.name for path in paths)}
    for manifest in manifests:
        for file_id, name in zip(_cells(manifest, "id"), _cells(manifest, "filename"), strict=True):
            if file_id not in given and _kind(name) in kinds:
                drops.append(Drop("sample", name, "the manifest lists this file; it is not there"))
    return drops


def _unpacked(name: str) -> str:
    return name.removesuffix(".gz")


def _kind(name: str) -> str:
    """What the names of files of one kind have in common."""
    return NAME_PARTS.sub("", _unpacked(name))
