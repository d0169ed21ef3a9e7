"""Write a drawn cohort as the input of a run: an .h5ad matrix and a samples table.

    python -m benchmarks.drawn_input FOLDER [--samples 1000] [--genes 1024] [--tumors 33]

Memory does not grow with the samples. Some genes of each tumor are raised.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

BLOCK = 256  # samples drawn at once
RAISED, SHIFT = 20, 2.0  # genes of each tumor, and by how much, log2
MEAN, SPREAD = (7.0, 2.0), 1.0  # mean and SD of the genes' means, SD of a gene; log2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--genes", type=int, default=1_024)
    parser.add_argument("--tumors", type=int, default=33)
    args = parser.parse_args()
    write_input(args.folder, args.samples, args.genes, args.tumors)


def write_input(folder: Path, n_samples: int, n_genes: int, n_tumors: int) -> None:
    """matrix.h5ad (log2 values, dense) and samples.tsv; patients have one sample each."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"S{i:07d}" for i in range(n_samples)]
    tumor = rng.integers(n_tumors, size=n_samples)
    rows = [f"{name}\tT{of:03d}\n" for name, of in zip(names, tumor.tolist(), strict=True)]
    (folder / "samples.tsv").write_text("sample\ttumor\n" + "".join(rows), encoding="utf-8")
    mean = rng.normal(*MEAN, n_genes).astype(np.float32)
    raised = np.stack([rng.permutation(n_genes)[:RAISED] for _ in range(n_tumors)])
    with h5py.File(folder / "matrix.h5ad", "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for axis, index in (("obs", names), ("var", [f"G{i:06d}" for i in range(n_genes)])):
            frame = file.create_group(axis)
            frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
            frame.attrs["_index"], frame.attrs["column-order"] = "_index", np.empty(0, "S1")
            frame.create_dataset("_index", data=index, dtype=h5py.string_dtype())
        matrix = file.create_dataset("X", (n_samples, n_genes), np.float32)
        matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start in range(0, n_samples, BLOCK):
            of_block = tumor[start : start + BLOCK]
            values = mean + SPREAD * rng.standard_normal((len(of_block), n_genes), np.float32)
            values[np.arange(len(of_block))[:, np.newaxis], raised[of_block]] += SHIFT
            matrix[start : start + BLOCK] = np.maximum(values, 0)


if __name__ == "__main__":
    main()
