"""Made-up files with the names, columns and oddities of TCGA as UCSC Xena and the GDC ship it."""

import io
import re
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

XENA_MATRIX = "EB++AdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.xena.gz"
XENA_PHENOTYPE = "TCGA_phenotype_denseDataOnlyDownload.tsv.gz"
XENA_SURVIVAL = "Survival_SupplementalTable_S1_20171025_xena_sp"
GDC_SHEET = "gdc_sample_sheet.2024-05-17.tsv"
STAR_SUFFIX = ".rna_seq.augmented_star_gene_counts.tsv"
BAD_SHARE = 0.1  # as cohort.bad_share; genes with more missing or negative values are dropped

DISEASES = {
    "ACC": "adrenocortical cancer",
    "BLCA": "bladder urothelial carcinoma",
    "BRCA": "breast invasive carcinoma",
    "CESC": "cervical & endocervical cancer",
    "CHOL": "cholangiocarcinoma",
    "COAD": "colon adenocarcinoma",
    "DLBC": "diffuse large B-cell lymphoma",
    "ESCA": "esophageal carcinoma",
    "GBM": "glioblastoma multiforme",
    "HNSC": "head & neck squamous cell carcinoma",
    "KICH": "kidney chromophobe",
    "KIRC": "kidney clear cell carcinoma",
    "KIRP": "kidney papillary cell carcinoma",
    "LAML": "acute myeloid leukemia",
    "LGG": "brain lower grade glioma",
    "LIHC": "liver hepatocellular carcinoma",
    "LUAD": "lung adenocarcinoma",
    "LUSC": "lung squamous cell carcinoma",
    "MESO": "mesothelioma",
    "OV": "ovarian serous cystadenocarcinoma",
    "PAAD": "pancreatic adenocarcinoma",
    "PCPG": "pheochromocytoma & paraganglioma",
    "PRAD": "prostate adenocarcinoma",
    "READ": "rectum adenocarcinoma",
    "SARC": "sarcoma",
    "SKCM": "skin cutaneous melanoma",
    "STAD": "stomach adenocarcinoma",
    "TGCT": "testicular germ cell tumor",
    "THCA": "thyroid carcinoma",
    "THYM": "thymoma",
    "UCEC": "uterine corpus endometrioid carcinoma",
    "UCS": "uterine carcinosarcoma",
    "UVM": "uveal melanoma",
}
WORDS = {  # of sample types, as Xena and the old GDC sheet write them
    "01": "Primary Tumor",
    "02": "Recurrent Tumor",
    "03": "Primary Blood Derived Cancer - Peripheral Blood",
    "06": "Metastatic",
    "11": "Solid Tissue Normal",
}
DESCRIPTORS = {  # as the new GDC sheet writes them: tissue type, tumor descriptor, specimen type
    "01": ("Tumor", "Primary", "Solid Tissue"),
    "02": ("Tumor", "Recurrence", "Solid Tissue"),
    "03": ("Tumor", "Primary", "Peripheral Blood NOS"),
    "06": ("Tumor", "Metastatic", "Solid Tissue"),
    "11": ("Normal", "Not Applicable", "Solid Tissue"),
}
COUNTERS = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")


class TcgaFiles(NamedTuple):
    """What was written, and what is right.

    `log2` (genes, samples) are the values of all usable genes, NaN where a missing value is filled;
    `tumors` are the codes of its columns, "-" for samples that the cohort must drop; `lost` are
    patterns of drops that must be listed, and `nameless` those of genes without a name, "?", which
    may be kept under the names that `log2` has for them.
    """

    expression: Path
    samples: Path
    log2: pd.DataFrame
    tumors: list[str]
    lost: tuple[str, ...]
    nameless: tuple[str, ...] = ()


def make_samples(n_patients: int) -> pd.DataFrame:
    """Columns sample (15 characters), type and tumor: what each tumor has in TCGA.

    Each tumor has a primary sample a patient (LAML blood, type 03); SKCM has twice as many
    metastases of other patients, and of one of the same; two tumors have recurrences, and every
    fourth has matched normals.
    """
    rows = []
    for site, tumor in enumerate(DISEASES):
        patients = [f"TCGA-{site:02d}-A{number:03d}" for number in range(3 * n_patients)]
        own = "03" if tumor == "LAML" else "01"
        rows += [(patient, own, tumor) for patient in patients[:n_patients]]
        if tumor == "SKCM":
            rows += [(patient, "06", tumor) for patient in patients[n_patients - 1 :]]
        if tumor in ("GBM", "OV"):
            rows += [(patients[0], "02", tumor)]
        if site % 4 == 2:
            rows += [(patient, "11", tumor) for patient in patients[: n_patients // 2 + 1]]
    table = pd.DataFrame(rows, columns=["patient", "type", "tumor"])
    return table.assign(sample=table["patient"] + "-" + table["type"])


def right_tumors(samples: pd.DataFrame) -> list[str]:
    """The tumor of each sample that makes one, metastases of SKCM included; "-" for the rest."""
    is_kept = samples["type"].isin(["01", "03"]) | (
        (samples["type"] == "06") & (samples["tumor"] == "SKCM")
    )
    return samples["tumor"].where(is_kept, "-").tolist()


def write_xena(
    folder: Path, rng: np.random.Generator, n_patients: int = 5, n_genes: int = 60
) -> TcgaFiles:
    """UCSC Xena's pan-cancer matrix, its phenotype table and its survival table."""
    samples = make_samples(n_patients)
    genes = _xena_genes(n_genes)
    scale = rng.uniform(0.5, 3, n_genes)[:, np.newaxis]
    values = rng.normal(8, 1, (n_genes, len(samples))).clip(1) * scale
    values[0, :3] = [-0.5151, -0.0002, -0.3301]  # batch adjustment goes below zero
    values[1, rng.random(len(samples)) < 0.3] = np.nan  # not measured on one platform
    values[2, :6] = np.nan  # all samples of the first tumor: no value would be honest
    values[4, 2::60] = np.nan
    values[3] = np.where(rng.random(len(samples)) < 0.4, -0.4, values[3])
    table = pd.DataFrame(values.round(4), genes, samples["sample"].tolist())
    expression, phenotype = folder / XENA_MATRIX, folder / XENA_PHENOTYPE
    table.to_csv(expression, sep="\t", index_label="sample", na_rep="NA", compression="gzip")
    unlabelled, strangers = _write_phenotype(phenotype, samples)
    _write_survival(folder / XENA_SURVIVAL, samples)
    tumors = right_tumors(samples)
    tumors = ["-" if s in unlabelled else t for s, t in zip(table, tumors, strict=True)]
    kept = table.loc[:, [t != "-" for t in tumors]]
    is_bad = ((kept.isna() | (kept < 0)).mean(axis=1) > BAD_SHARE).to_numpy()
    is_bad[2] = True
    lines = [f"line {i + 2}" if gene == "?" else gene for i, gene in enumerate(genes)]
    usable = table.set_axis(lines)[~is_bad].clip(lower=0)
    variance = usable[kept.columns].var(axis=1).to_numpy()
    copies = np.flatnonzero(usable.index == "SLC35E2")
    weaker = copies[np.argmin(variance[copies])]
    usable = usable.iloc[[i for i in range(len(usable)) if i != weaker]]
    assert len(strangers) and is_bad.sum() == 3
    lost = tuple(f"gene {re.escape(gene)}" for gene in table.index[is_bad])
    lost = (*lost, "gene SLC35E2")
    return TcgaFiles(expression, phenotype, usable, tumors, lost, (r"2*(gene|row) (\?|line)",))


def _xena_genes(n_genes: int) -> list[str]:
    """Symbols, Entrez IDs of genes without one, a symbol that occurs twice, and `?`."""
    genes = [f"SYM{i}" for i in range(n_genes)]
    genes[-4:] = ["?", "?", "SLC35E2", "SLC35E2"]
    genes[-6:-4] = ["100130426", "10431"]
    return genes


def _write_phenotype(path: Path, samples: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The phenotype table; samples that it does not label, and samples that it has beside.

    One sample is not in it and of one the disease is missing.
    """
    table = pd.DataFrame(
        {
            "sample": samples["sample"],
            "sample_type_id": samples["type"].astype(int),
            "sample_type": samples["type"].map(WORDS),
            "_primary_disease": samples["tumor"].map(DISEASES),
        }
    )
    absent, blank = samples["sample"].iloc[[0, -1]]
    table.loc[table["sample"] == blank, "_primary_disease"] = np.nan
    strangers = [f"TCGA-{site:02d}-ZZZZ-{kind}" for site in range(4) for kind in ("01", "10")]
    beside = pd.DataFrame({"sample": strangers, "sample_type_id": np.nan})
    beside["_primary_disease"] = DISEASES["ACC"]
    table = pd.concat([table[table["sample"] != absent], beside])
    table["sample_type_id"] = table["sample_type_id"].astype("Int64")
    table.sample(frac=1, random_state=1).to_csv(path, sep="\t", index=False, compression="gzip")
    return [absent, blank], strangers


def _write_survival(path: Path, samples: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {
            "sample": samples["sample"],
            "_PATIENT": samples["patient"],
            "cancer type abbreviation": samples["tumor"],
            "age_at_initial_pathologic_diagnosis": 58.0,
            "gender": np.where(np.arange(len(samples)) % 2, "MALE", "FEMALE"),
            "OS": np.arange(len(samples)) % 2,
            "OS.time": 100.0 + np.arange(len(samples)),
            "Redaction": "",
        }
    )
    table.to_csv(path, sep="\t", index=False)


def write_gdc(
    folder: Path,
    rng: np.random.Generator,
    n_patients: int = 5,
    n_genes: int = 60,
    measure: str = "tpm_unstranded",
    new_layout: bool = False,
) -> TcgaFiles:
    """A folder of the GDC's STAR counts, a file a sample, and its sample sheet."""
    samples = make_samples(n_patients)
    samples["sample"] += "A"
    annotation = _star_genes(n_genes)
    counts = rng.negative_binomial(3, 0.002, (n_genes, len(samples)))
    counts[-2:] = 0  # the Y copies of genes of both sex chromosomes
    length = rng.integers(500, 5000, n_genes)[:, np.newaxis]
    rate = counts / length
    tpm = (rate / rate.sum(axis=0) * 1e6).round(4)
    names = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(2 * len(samples))]
    rows = []
    for i, (row, file_id, stem) in enumerate(
        zip(samples.itertuples(), names[::2], names[1::2], strict=True)
    ):
        where = folder / "gdc" / file_id
        where.mkdir(parents=True)
        text = _star_text(annotation, counts[:, i], tpm[:, i])
        (where / (stem + STAR_SUFFIX)).write_text(text)
        if i % 7 == 0:
            (where / "annotations.txt").write_text(
                "id\tsubmitter_id\tcategory\nx\ty\tItem flagged\n"
            )
        if i % 5 == 0:
            (where / "logs").mkdir()
            (where / "logs" / (stem + STAR_SUFFIX + ".parcel")).write_text("{}")
        rows.append((file_id, stem + STAR_SUFFIX, row))
    (folder / "gdc" / "MANIFEST.txt").write_text("id\tfilename\tmd5\tsize\tstate\n")
    sheet = folder / GDC_SHEET
    _sheet(rows, new_layout).sample(frac=1, random_state=2).to_csv(sheet, sep="\t", index=False)
    values = np.log2(
        (counts / counts.sum(axis=0) * 1e6 if measure != "tpm_unstranded" else tpm) + 1
    )
    log2 = pd.DataFrame(values, annotation["gene_id"], samples["sample"])
    return TcgaFiles(folder / "gdc", sheet, log2, right_tumors(samples), COUNTERS)


def _star_genes(n_genes: int) -> pd.DataFrame:
    """Ensembl IDs with versions; two names occur twice; the last two are copies on Y."""
    ids = [f"ENSG{i:011d}.{1 + i % 9}" for i in range(n_genes - 2)]
    symbols = [f"SYM{i}" for i in range(n_genes - 2)]
    symbols[3] = symbols[4] = "Y_RNA"
    ids += [f"{gene}_PAR_Y" for gene in ids[:2]]
    return pd.DataFrame({"gene_id": ids, "gene_name": symbols + symbols[:2]})


def _star_text(annotation: pd.DataFrame, counts: np.ndarray, tpm: np.ndarray) -> str:
    """One file, with the comment and the four counter rows of the real ones."""
    table = annotation.assign(gene_type="protein_coding", unstranded=counts)
    table["stranded_first"], table["stranded_second"] = counts // 2, counts - counts // 2
    table["tpm_unstranded"], table["fpkm_unstranded"] = tpm, (tpm / 3).round(4)
    table["fpkm_uq_unstranded"] = (tpm / 2.5).round(4)
    head = "# gene-model: GENCODE v36\n" + "\t".join(table) + "\n"
    total = 10 * int(counts.sum()) + 7
    rows = "".join(f"{name}\t\t\t{total}\t{total}\t{total}\t\t\t\n" for name in COUNTERS)
    body = io.StringIO()
    table.to_csv(body, sep="\t", index=False, header=False)
    return head + rows + body.getvalue()


def _sheet(rows: list[tuple], new_layout: bool) -> pd.DataFrame:
    """A sample sheet of the GDC, of 8 columns or, since 2024, of 11."""
    table = pd.DataFrame(
        {
            "File ID": [file_id for file_id, _, _ in rows],
            "File Name": [name for _, name, _ in rows],
            "Data Category": "Transcriptome Profiling",
            "Data Type": "Gene Expression Quantification",
            "Project ID": [f"TCGA-{row.tumor}" for _, _, row in rows],
            "Case ID": [row.patient for _, _, row in rows],
            "Sample ID": [row.sample for _, _, row in rows],
        }
    )
    types = [row.type for _, _, row in rows]
    if not new_layout:
        return table.assign(**{"Sample Type": [WORDS[t] for t in types]})
    columns = ("Tissue Type", "Tumor Descriptor", "Specimen Type")
    for column, words in zip(columns, zip(*map(DESCRIPTORS.get, types), strict=True), strict=True):
        table[column] = words
    return table.assign(**{"Preservation Method": "OCT"})
