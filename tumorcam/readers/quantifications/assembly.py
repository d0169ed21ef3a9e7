"""One matrix of the files of a format with a file for each sample."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.matrix import SAMPLE, Fact, Matrix
from tumorcam.readers.quantifications.columns import read_annotation
from tumorcam.readers.quantifications.formats import Quantification
from tumorcam.readers.quantifications.gdc import Listing, read_listing
from tumorcam.readers.quantifications.measures import choose_measure
from tumorcam.readers.quantifications.parallel import Progress, read_parallel
from tumorcam.readers.quantifications.sample_names import (
    SampleOfFile,
    name_columns,
    name_files,
    names_fact,
)
from tumorcam.settings import InputSettings

FILE, FOLDER = "file", "folder"  # labels of a sample: the file that it comes from


def read_samples(
    files: Sequence[Quantification],
    sheets: Sequence[pd.DataFrame],
    settings: InputSettings,
    is_sample: Callable[[str], bool],
    folder: Path | None,
    progress: Progress | None,
) -> Matrix:
    """The samples of files of one format, side by side; arguments as of `read_files`.

    Raises
    ------
    InputError
        If a file, a sample sheet or a setting is wrong.
    """
    listing = read_listing([file.path for file in files], sheets)
    if listing:
        files = [file for file, gone in zip(files, listing.is_dropped, strict=True) if not gone]
    if listing and not files:
        msg = "the sample sheet gives several samples to each file; name another in input.samples"
        raise InputError(msg)
    measure = choose_measure(files[0], settings)
    columns = [_value_columns(file, measure.text) for file in files]
    labels = _file_labels(files, listing)
    samples = _name_samples(files, columns, labels[SAMPLE].to_list(), is_sample)
    stored = read_parallel(files, columns, folder, progress)
    names = [sample.name for sample in samples]
    n_columns = [len(chosen) for chosen in columns]
    return Matrix(
        path=files[0].path,
        samples=names,
        genes=stored.genes,
        values=stored.values,
        dropped=[*(listing.dropped if listing else []), *stored.dropped],
        facts=[
            *_format_facts(files),
            measure,
            names_fact(samples),
            *(listing.facts if listing else []),
            *stored.facts,
        ],
        labels=labels.loc[labels.index.repeat(n_columns)]
        .reset_index(drop=True)
        .assign(**{SAMPLE: names}),
        annotation=read_annotation(files[0])[stored.is_kept].reset_index(drop=True),
    )


def _value_columns(file: Quantification, measure: str) -> list[str]:
    start = file.format.first_sample
    return file.columns[start:] if start else [measure]


def _name_samples(
    files: Sequence[Quantification],
    columns: Sequence[list[str]],
    listed_names: Sequence[str],
    is_sample: Callable[[str], bool],
) -> list[SampleOfFile]:
    """A name for each column of values: the sample sheet's, the header's or the file's."""
    headers = [name for chosen in columns for name in chosen]
    if files[0].format.first_sample and (len(headers) == 1 or len(set(headers)) > 1):
        return [sample for chosen in columns for sample in name_columns(chosen, is_sample)]
    return [
        SampleOfFile(name, "the sample sheet") if name else sample
        for name, sample in zip(listed_names, name_files(files, is_sample), strict=True)
    ]


def _file_labels(files: Sequence[Quantification], listing: Listing | None) -> pd.DataFrame:
    """What sample sheets and paths say of each file; "sample" is empty without a sample sheet."""
    labels = pd.DataFrame({SAMPLE: [""] * len(files)})
    if listing:
        is_kept = [not gone for gone in listing.is_dropped]
        labels = listing.labels[is_kept].reset_index(drop=True)
    labels[FILE] = [file.path.name for file in files]
    folders = [file.path.parent.name for file in files]
    if 1 < len(set(folders)) <= len(files) / 2:  # such as a folder for each tumor
        labels[FOLDER] = folders
    return labels


def _format_facts(files: Sequence[Quantification]) -> list[Fact]:
    layout = files[0].format
    facts = [Fact("format", layout.name, f"the content of {len(files)} files")]
    if layout.has_transcripts:
        reason = f"{layout.name} has a row for each transcript"
        facts.append(Fact("genes", "transcripts, which input.gene_table sums to genes", reason))
    return facts
