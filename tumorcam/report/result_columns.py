"""Every column of the tables of `compare` and `enrich`, which stand beside a report."""

from tumorcam.report.columns import FLAG, NUMBER, TEXT, WHOLE, Column

TOP_SIZES = (20, 50, 100)  # genes of a top in agreement.csv
_SHARE = "share, 0 to 1"
_P = "probability, 0 to 1"
_SAMPLES, _GENES = "samples", "genes"
_TUMOR = Column("tumor", TEXT, "The tumor.")
_GENE = Column("gene", TEXT, "The name of the gene.")
ACCURACY_COLUMNS = (
    Column("classifier", TEXT, "The classifier."),
    Column("samples_a", WHOLE, "How many samples of run A it judges.", _SAMPLES),
    Column("accuracy_a", NUMBER, "The share of these that it calls right.", _SHARE),
    Column("samples_b", WHOLE, "How many samples of run B it judges.", _SAMPLES),
    Column("accuracy_b", NUMBER, "The share of these that it calls right.", _SHARE),
    Column("common_samples", WHOLE, "How many samples both runs judge.", _SAMPLES),
    Column("common_a", NUMBER, "The accuracy of run A on the samples in common.", _SHARE),
    Column("common_b", NUMBER, "The accuracy of run B on the samples in common.", _SHARE),
    Column("difference", NUMBER, "The column common_b less common_a.", "share, -1 to 1"),
    Column("only_a", NUMBER, "How many samples run A alone calls right.", _SAMPLES),
    Column("only_b", NUMBER, "How many samples run B alone calls right.", _SAMPLES),
    Column("p_value", NUMBER, "The exact McNemar test of these two; NaN without a test.", _P),
)
SETTING_COLUMNS = (
    Column("setting", TEXT, "The section and the key of the setting, such as model.dropout."),
    Column("a", TEXT, "Its value in run A as JSON; – where the run has no such setting."),
    Column("b", TEXT, "Its value in run B, likewise."),
)
_TOPS = tuple(
    column
    for k in TOP_SIZES
    for column in (
        Column(f"overlap_{k}", NUMBER, f"How many of their {k} first genes both share.", _GENES),
        Column(f"expected_{k}", NUMBER, "How many chance lets them share.", _GENES),
        Column(f"p_{k}", NUMBER, "The chance that they share as many or more.", _P),
    )
)
AGREEMENT_COLUMNS = (
    _TUMOR,
    Column("genes", WHOLE, "How many genes have a score in both runs.", _GENES),
    Column("spearman", NUMBER, "The Spearman correlation of these scores.", "-1 to 1"),
    *_TOPS,
    Column("learned_a", WHOLE, "How many of the genes in common run A calls learned.", _GENES),
    Column("learned_b", WHOLE, "How many of the genes in common run B calls learned.", _GENES),
    Column("learned_both", WHOLE, "How many of them both runs call learned.", _GENES),
)
COMPARED_GENE_COLUMNS = (
    _TUMOR,
    _GENE,
    Column("learned_in", TEXT, "Which run calls the gene learned: both, A only or B only."),
    Column("a_has_gene", FLAG, "Whether run A has the gene."),
    Column("b_has_gene", FLAG, "Whether run B has the gene."),
    Column("absence", TEXT, "Why a run lacks the gene; empty where both have it."),
    Column("evidence_a", TEXT, "The grade in run A; empty without the gene."),
    Column("evidence_b", TEXT, "The grade in run B; empty without the gene."),
    Column("rank_a", NUMBER, "The rank in its tumor in run A.", "rank, from 1"),
    Column("rank_b", NUMBER, "The rank in its tumor in run B.", "rank, from 1"),
    Column("q_decoy_a", NUMBER, "The q_decoy in run A.", _P),
    Column("q_decoy_b", NUMBER, "The q_decoy in run B.", _P),
)
ENRICHMENT_COLUMNS = (
    _TUMOR,
    Column("set", TEXT, "The name of the gene set."),
    Column("kind", TEXT, "The test: over-representation or prerank."),
    Column("size", WHOLE, "How many genes of the set can be tested in the tumor.", _GENES),
    Column("file_size", WHOLE, "How many genes the set has in the file.", _GENES),
    Column("overlap", WHOLE, "How many genes the column genes lists.", _GENES),
    Column("nes", NUMBER, "The normalised enrichment score of prerank, else NaN."),
    Column("odds_ratio", NUMBER, "The odds ratio of over-representation, else NaN."),
    Column("p_value", NUMBER, "The p-value of the test.", _P),
    Column("fdr", NUMBER, "The false discovery rate over the sets of this tumor and test.", _P),
    Column(
        "genes",
        TEXT,
        "The learned genes of the set, or its leading genes in prerank, with ; and a blank "
        "between them.",
    ),
)
