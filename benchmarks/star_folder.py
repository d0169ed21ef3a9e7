"""Time and memory of reading a folder of GDC STAR counts, beside a loop in pandas.

    python -m benchmarks.star_folder [--files 50] [--genes 60660] [--keep FOLDER]

The files are made up, with values as of real tissues. Both read one measure of every file into one
matrix; the results are compared. A file is read once before, so that no time of a disk counts.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.readers.quantifications.file_list import resolve
from tumorcam.readers.quantifications.reading import read_files
from tumorcam.settings import InputSettings

HEADER = (
    "# gene-model: GENCODE v36\n"
    "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\tstranded_second\t"
    "tpm_unstranded\tfpkm_unstranded\tfpkm_uq_unstranded\n"
)
COUNTERS = "N_unmapped N_multimapping N_noFeature N_ambiguous".split()
SHAPE, MEAN = 0.3, 500  # of the negative binomial that counts are drawn from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--genes", type=int, default=60_660)
    parser.add_argument("--keep", type=Path, help="folder of the files, to be used again")
    parser.add_argument("--measure", default="unstranded")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        if not any(folder.glob("*/*.tsv")):
            write_files(folder, args.files, args.genes)
        paths = resolve([str(folder)], "input.expression")
        for path in paths:
            path.read_bytes()
        settings = InputSettings(scale="as_is", measure=args.measure)
        started = time.monotonic()
        matrix = read_files(paths, [], settings, lambda name: False, None, None)
        own = (time.monotonic() - started) / len(paths)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        started = time.monotonic()
        table = pandas_loop(paths, args.measure)
        loop = (time.monotonic() - started) / len(paths)
        assert table.index.tolist() == matrix.genes
        for band, values in matrix.values.bands():
            np.testing.assert_array_equal(values, table.iloc[band].to_numpy(np.float32))
    print(
        f"{len(paths)} files of {len(matrix.genes):,} rows: {own * 1e3:.1f} ms a file, peak "
        f"{peak:.0f} MiB; the loop in pandas takes {loop * 1e3:.1f} ms: {loop / own:.1f} x"
    )


def write_files(folder: Path, n_files: int, n_genes: int) -> None:
    """Write STAR files as the GDC's client does: a folder for each file."""
    rng = np.random.default_rng(1)
    versions = rng.integers(1, 20, n_genes)
    names = [f"ENSG{37 * n:011d}.{v}\tGENE{n}\tlncRNA" for n, v in enumerate(versions)]
    counters = "".join(f"{name}\t\t\t4850100\t36760327\t37016824\t\t\t\n" for name in COUNTERS)
    for number in range(n_files):
        place = folder / f"{number:08x}-0000-4000-8000-00000000abcd"
        place.mkdir(parents=True)
        counts = rng.negative_binomial(SHAPE, SHAPE / (SHAPE + MEAN), n_genes)
        tpm = counts * 1e6 / counts.sum()
        with (place / f"{number}.rna_seq.augmented_star_gene_counts.tsv").open("w") as stream:
            stream.write(HEADER + counters)
            stream.writelines(
                f"{name}\t{n}\t{n // 2}\t{n - n // 2}\t{x:.4f}\t{x / 3:.4f}\t{x / 2.5:.4f}\n"
                for name, n, x in zip(names, counts, tpm, strict=True)
            )


def pandas_loop(paths: list[Path], measure: str) -> pd.DataFrame:
    """The same matrix, as a notebook would read it."""
    columns = {}
    for path in paths:
        table = pd.read_csv(path, sep="\t", comment="#", usecols=["gene_id", measure])
        columns[path] = table.set_index("gene_id")[measure]
    return pd.DataFrame(columns)


if __name__ == "__main__":
    main()
