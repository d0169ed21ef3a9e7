"""The names of the samples whose values files hold, from folders, files and columns."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tumorcam.readers.matrix import Fact
from tumorcam.readers.quantifications.formats import Quantification

SUFFIXES = re.compile(
    r"(\.(gz|bz2|xz|zst|zip|tsv|txt|tab|sf|csv|out|bam|sam|results|counts?|htseq|star|quant|genes"
    r"|isoforms|rsem|kallisto|salmon|featurecounts|normalized_results|rna_seq|sortedbycoord"
    r"|augmented_star_gene_counts|fpkm(-uq)?|aligned|sorted|markdup|dedup)"
    r"|[._]gene_abund|[._]?ReadsPerGene|[._]?Aligned)+$",
    re.IGNORECASE,
)


class SampleOfFile(NamedTuple):
    """The name of a sample, and where it stands."""

    name: str
    place: str


def name_columns(columns: Sequence[str], is_sample: Callable[[str], bool]) -> list[SampleOfFile]:
    """The samples of columns that a file names by samples or by paths, as featureCounts does.

    They are the first parts of the names that `is_sample` knows, else the whole names if it knows
    them; else the names of the files or of their folders, whichever tell the columns apart.
    """
    paths = [Path(column) for column in columns]
    options = [
        [_first_part(column, is_sample) for column in columns],
        [column if is_sample(column) else "" for column in columns],
        [stem(path.name) for path in paths],
        [path.parent.name for path in paths],
    ]
    distinct = (names for names in options if all(names) and len(set(names)) == len(columns))
    return [SampleOfFile(name, "the header") for name in next(distinct, columns)]


def name_files(
    files: Sequence[Quantification], is_sample: Callable[[str], bool]
) -> list[SampleOfFile]:
    """The name of the sample of each file.

    It is the first that `is_sample` knows among the names of the file and its folder and their
    parts; else the folder for programs that write a folder a sample, and where the names of the
    files repeat; else the name of the file without its suffixes.
    """
    stems = Counter(stem(file.path.name) for file in files)
    return [
        _first_sample(file.path, is_sample)
        or _usual_name(file, is_repeated=stems[stem(file.path.name)] > 1)
        for file in files
    ]


def names_fact(samples: Sequence[SampleOfFile]) -> Fact:
    """Where the names of the samples come from, with counts."""
    places = Counter(sample.place for sample in samples)
    reason = ", ".join(f"{n} from {place}" for place, n in places.most_common())
    return Fact("names of the samples", f"{len(samples)} samples", reason)


def stem(name: str) -> str:
    """The name of a file without the suffixes that formats and packing give it."""
    return SUFFIXES.sub("", name) or name


def _first_part(column: str, is_sample: Callable[[str], bool]) -> str:
    sample = _first_sample(Path(column), is_sample)
    return sample.name if sample else ""


def _first_sample(path: Path, is_sample: Callable[[str], bool]) -> SampleOfFile | None:
    for text, place in ((path.name, "the name of the file"), (path.parent.name, "the folder")):
        for name in _parts(text):
            if is_sample(name):
                return SampleOfFile(name, place)
    return None


def _parts(name: str) -> Iterator[str]:
    """A name without suffixes, with them, then what dots, and last underscores, separate in it."""
    yield stem(name)
    yield name
    cut = name
    while "." in cut:
        cut = cut.rpartition(".")[0]
        yield cut
    yield from name.split(".")
    yield from re.split(r"[._\s]", name)


def _usual_name(file: Quantification, *, is_repeated: bool) -> SampleOfFile:
    if (file.format.is_in_folder or is_repeated) and file.path.resolve().parent.name:
        return SampleOfFile(file.path.resolve().parent.name, "the folder")
    return SampleOfFile(stem(file.path.name), "the name of the file")
