"""The cohort file: expression, samples, genes, folds, layouts and decoys of one run."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tumorcam import config as settings
from tumorcam.cohort import layout, splits
from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import FileError
from tumorcam.readers import annotation
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import ModelKey, Plan, make_plan

COHORT_TYPE = "tumorcam-cohort"
SECTIONS = ("run", "input", "cohort", "splits", "layout", "synthesize")  # a cohort depends on
CHUNK_SAMPLES, CHUNK_GENES = 256, 256  # of expression: explain reads rows, reduce reads columns
REMEDY = "run jobs.prepare"


@dataclass(frozen=True)
class Selection:
    """What the readers and filters kept, in canonical order.

    `expression` (samples, genes) float32 in log2(x + 1); `samples` has one row a sample, sorted by
    ID, with the columns sample, patient, tumor, sample_type and source (str); `genes` (genes,) str
    sorted; `variance` (genes,) float64; `dropped` has the columns kind, name and reason.
    """

    expression: np.ndarray
    samples: pd.DataFrame
    genes: np.ndarray
    variance: np.ndarray
    dropped: pd.DataFrame


@dataclass(frozen=True)
class Cohort:
    """A cohort file's content but for the expression, which is read on demand.

    `tumors` (tumors,) sorted TCGA study codes; `tumor` (samples,) index into it; `fold` (samples,);
    `layouts` one a replicate.
    """

    path: Path
    digest: str
    tumors: np.ndarray
    sample: np.ndarray
    patient: np.ndarray
    tumor: np.ndarray
    fold: np.ndarray
    source: np.ndarray
    genes: np.ndarray
    variance: np.ndarray
    layouts: tuple[GeneLayout, ...]
    dropped: pd.DataFrame

    @property
    def n_folds(self) -> int:
        """Number of held-out folds."""
        return int(self.fold.max()) + 1

    @property
    def decoy_gene(self) -> np.ndarray:
        """(decoys,) int32: the gene that each decoy copies, the same in all replicates."""
        return self.layouts[0].decoy_gene

    def layout_of(self, model: ModelKey) -> GeneLayout:
        """The layout of a model; null replicates take those of the others in turn."""
        return self.layouts[model.replicate % len(self.layouts)]

    def expression(self, samples: slice | np.ndarray = slice(None)) -> np.ndarray:
        """(samples, genes) float32 of the given samples (a slice or ascending indices)."""
        with hdf5.open_file(self.path, COHORT_TYPE, remedy=REMEDY) as file:
            if isinstance(samples, slice) or len(samples) == 0:
                return file["expression"][samples]
            groups = np.split(samples, 1 + np.flatnonzero(np.diff(samples // CHUNK_SAMPLES)))
            return np.concatenate(  # slices of a chunk's rows: a third of the time of index lists
                [file["expression"][rows[0] : rows[-1] + 1][rows - rows[0]] for rows in groups]
            )

    def some_genes(self, genes: np.ndarray) -> np.ndarray:
        """(samples, some genes) float32 of all samples; ascending indices."""
        with hdf5.open_file(self.path, COHORT_TYPE, remedy=REMEDY) as file:
            parts = [
                file["expression"][:, i : i + CHUNK_GENES][:, band - i]
                for i in range(0, len(self.genes), CHUNK_GENES)
                for band in [genes[(genes >= i) & (genes < i + CHUNK_GENES)]]
                if len(band)
            ]
        return np.concatenate(parts, axis=1)

    def gene_band(self, genes: slice) -> np.ndarray:
        """(samples, band) float32 of all samples and some neighbouring genes."""
        with hdf5.open_file(self.path, COHORT_TYPE, remedy=REMEDY) as file:
            return file["expression"][:, genes]


def write_cohort(
    path: Path, selection: Selection, config: settings.Config, input_digest: str
) -> None:
    """Split, lay out and write a selection.

    Raises
    ------
    CohortError
        If a tumor has fewer patients than folds or a named decoy gene was not kept.
    InputError
        If the layout needs a gene annotation table and there is none that fits.
    """
    tumors, tumor = np.unique(selection.samples["tumor"].to_numpy(str), return_inverse=True)
    patient = selection.samples["patient"].to_numpy(str)
    fold = splits.patient_folds(
        patient, tumor, n_folds=config.splits.folds, rng=config.rng("folds")
    )
    decoy_gene = layout.choose_decoys(
        selection.genes,
        decoys=config.layout.decoys,
        decoy_genes=config.layout.decoy_genes,
        n_tumors=len(tumors),
        rng=config.rng("decoys"),
    )
    kind, spacing = config.layout.kind, config.layout.spacing
    order = _row_order(config, selection)
    tree = layout.coexpression_tree(selection.expression) if kind == "coexpression" else None
    layouts = [
        layout.spread_out(
            layout.make_layout(kind, order, decoy_gene, config.rng("layout", r), tree),
            spacing,
        )
        for r in range(config.layout.replicates)
    ]
    attributes, needed = cohort_attributes(config, input_digest), selection.expression.nbytes
    with hdf5.create_file(path, COHORT_TYPE, attributes, needed=needed) as file:
        records.write_dataset(
            file, "expression", selection.expression, chunks=(CHUNK_SAMPLES, CHUNK_GENES)
        )
        records.write_dataset(file, "tumors", tumors)
        samples = file.create_group("samples")
        records.write_table(samples, selection.samples)
        records.write_dataset(samples, "tumor_index", tumor.astype(np.int16))
        records.write_dataset(samples, "fold", fold)
        records.write_dataset(file, "genes/name", selection.genes)
        records.write_dataset(file, "genes/variance", selection.variance)
        records.write_dataset(file, "layouts/pixel", np.stack([one.pixel for one in layouts]))
        records.write_dataset(file, "layouts/decoy_gene", decoy_gene)
        file["layouts"].attrs["side"] = layouts[0].side
        records.write_table(file.create_group("dropped"), selection.dropped)


def _row_order(config: settings.Config, selection: Selection) -> np.ndarray:
    """(genes,) int: genes in the order in which a layout of rows places them."""
    if config.layout.kind == "chromosome":
        path = annotation.annotation_files(config.layout)[0]
        return annotation.chromosome_order(path, selection.genes)
    return layout.variance_order(selection.variance)


def cohort_attributes(config: settings.Config, input_digest: str) -> dict[str, str]:
    """Root attributes by which a finished cohort file is known to be the wanted one."""
    return {"config": settings.config_json(config, SECTIONS), "input_digest": input_digest}


def plan_of(cohort: Cohort, config: settings.Config) -> Plan:
    """The models and shards of a run of this cohort."""
    return make_plan(
        cohort.digest,
        cohort.fold,
        side=cohort.layouts[0].side,
        n_genes=len(cohort.genes),
        n_decoys=len(cohort.decoy_gene),
        replicates=config.layout.replicates,
        block=config.explain.block,
        nulls=config.layout.nulls,
    )


def read_cohort(path: Path, config: settings.Config) -> Cohort:
    """The cohort of a run.

    Raises
    ------
    FileError
        If it is missing, damaged, or was prepared with other settings.
    """
    with hdf5.open_file(path, COHORT_TYPE, remedy=REMEDY) as file:
        wanted = settings.config_json(config, SECTIONS)
        if file.attrs["config"] != wanted:
            changes = "; ".join(settings.changed_settings(str(file.attrs["config"]), wanted))
            msg = (
                f"{path} was prepared with other settings ({changes}); "
                f"{REMEDY} or use another run.folder"
            )
            raise FileError(msg)
        return _read(file, path)


def _read(file: h5py.File, path: Path) -> Cohort:
    samples = file["samples"]
    side, decoy_gene = int(file["layouts"].attrs["side"]), file["layouts/decoy_gene"][...]
    return Cohort(
        path=path,
        digest=str(file.attrs["digest"]),
        tumors=records.read_strings(file["tumors"]),
        sample=records.read_strings(samples["sample"]),
        patient=records.read_strings(samples["patient"]),
        tumor=samples["tumor_index"][...].astype(np.int64),
        fold=samples["fold"][...],
        source=records.read_strings(samples["source"]),
        genes=records.read_strings(file["genes/name"]),
        variance=file["genes/variance"][...],
        layouts=tuple(GeneLayout(side, p, decoy_gene) for p in file["layouts/pixel"][...]),
        dropped=records.read_table(file["dropped"]),
    )
