"""Made-up files with one sample, as GDC, HTSeq, RSEM, featureCounts, salmon and kallisto write."""

import numpy as np
import pandas as pd

N_GENES = 30
STAR = "rna_seq.augmented_star_gene_counts.tsv"
COUNTERS = "N_unmapped N_multimapping N_noFeature N_ambiguous".split()


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-00000000abcd"


def genes(n: int = N_GENES) -> list[str]:
    return [f"ENSG{11 * number:011d}.{number % 9 + 1}" for number in range(n)]


def star_table(seed: int, ids: list[str] | None = None) -> pd.DataFrame:
    """The genes of a STAR file; each measure has values of its own."""
    ids = genes() if ids is None else ids
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"gene_id": ids})
    table["gene_name"] = [f"NAME{name[4:-2].lstrip('0')}" for name in ids]
    table["gene_type"] = "protein_coding"
    for name in ("unstranded", "stranded_first", "stranded_second"):
        table[name] = rng.integers(0, 5000, len(ids))
    for name in ("tpm_unstranded", "fpkm_unstranded", "fpkm_uq_unstranded"):
        table[name] = rng.gamma(1, 20, len(ids)).round(4)
    return table


def write_star(path, seed, ids=None):
    table = star_table(seed, ids)
    counters = "".join(f"{name}\t\t\t7\t8\t9\t\t\t\n" for name in COUNTERS)
    header = "\t".join(table.columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = table.to_csv(sep="\t", index=False, header=False, lineterminator="\n")
    path.write_text(f"# gene-model: GENCODE v36\n{header}\n{counters}{rows}")
    return table


def write_gdc_folder(folder, n_files, sample_of=None):
    """A folder of the GDC with a folder for each file, and what its client writes beside them."""
    tables = []
    for number in range(n_files):
        place = folder / uuid(number)
        tables.append(write_star(place / f"{uuid(number + 500)}.{STAR}", number))
        (place / "logs").mkdir()
        (place / "logs" / f"{uuid(number + 500)}.{STAR}.parcel").write_bytes(b"\0\1")
        (place / "annotations.txt").write_text("id\tsubmitter_id\n")
    (folder / "MANIFEST.txt").write_text("id\tfilename\tmd5\tsize\n")
    return tables


OLD = "File ID,File Name,Data Category,Data Type,Project ID,Case ID,Sample ID,Sample Type".split(
    ","
)
NEW = [*OLD[:7], "Tissue Type", "Tumor Descriptor", "Specimen Type", "Preservation Method"]


def sheet(samples, layout="old", kind=STAR):
    """A sample sheet in the old or new layout; files and samples in the same order."""
    rows = []
    for number, sample in enumerate(samples):
        case = ", ".join(part.strip()[:12] for part in sample.split(","))
        row = [uuid(number), f"{uuid(number + 500)}.{kind}", "Transcriptome Profiling"]
        row += ["Gene Expression Quantification", "TCGA-BRCA", case, sample]
        old = [", ".join(["Primary Tumor"] * (sample.count(",") + 1))]
        rows.append(row + (old if layout == "old" else ["Tumor", "Primary", "Solid Tissue", "OCT"]))
    return pd.DataFrame(rows, columns=OLD if layout == "old" else NEW)


def whole(matrix):
    """(genes, samples) values as a table."""
    values = matrix.values.block(slice(0, len(matrix.genes)))
    return pd.DataFrame(values, index=matrix.genes, columns=matrix.samples)
