"""Every column of the tables of new samples, and of the map of one sample."""

from collections.abc import Sequence

from tumorcam.report.columns import FLAG, NUMBER, TEXT, WHOLE, Column, named

_SHARE = "share, 0 to 1"
_P = "probability, 0 to 1"
_SD = "training SD"
CALL_COLUMNS = (
    Column("sample", TEXT, "The ID of the sample."),
    Column("patient", TEXT, "Its patient; empty where that is unknown."),
    Column("sample_type", TEXT, "Its type, as a code of TCGA, such as 01; empty where unknown."),
    Column("source", TEXT, "Its source or batch; empty where that is unknown."),
    Column("label", TEXT, "The tumor type in the samples table; empty where that is unknown."),
    Column("call", TEXT, "The tumor that the networks call."),
    Column("probability", NUMBER, "The calibrated probability of the call.", _P),
    Column("raw_probability", NUMBER, "The same before calibration.", _P),
    Column("runner_up", TEXT, "The second most probable tumor."),
    Column("runner_up_probability", NUMBER, "Its calibrated probability.", _P),
    Column("agreement", NUMBER, "The share of the networks whose own call this is.", _SHARE),
    Column("networks", WHOLE, "How many networks judge the sample.", "networks"),
    Column("distance", NUMBER, "The distance to the nearest tumor.", "SD within a tumor"),
    Column("false_alarm", NUMBER, "The share of the run's own samples that lie as far.", _SHARE),
    Column("is_unlike", FLAG, "Whether the sample is unlike anything in the run."),
    Column("missing_genes", WHOLE, "How many of the run's genes the sample lacks.", "genes"),
    Column("missing_share", NUMBER, "The share of the run's genes that it lacks.", _SHARE),
    Column("is_own_patient", FLAG, "Whether the patient is one of the run's."),
    Column("explained_for", TEXT, "The tumor that the sample is explained for."),
    Column("is_counted", FLAG, "Whether it counts in the gene table of that tumor."),
    Column("top_genes", TEXT, "The ten genes of the highest saliency, with ; between them."),
)
_SHEET_NAMES = {  # names that a sample sheet of the GDC has, and like ones
    "patient": "Case ID",
    "sample": "Sample ID",
    "sample_type": "Sample Type",
    "label": "Given Tumor",
    "call": "Called Tumor",
    "probability": "Probability",
    "runner_up": "Runner-up",
    "runner_up_probability": "Runner-up Probability",
    "agreement": "Network Agreement",
    "is_unlike": "Unlike Anything",
    "missing_share": "Genes Missing",
    "top_genes": "Top Genes",
}
_SHEET_MEANINGS = {
    "sample_type": "Its type in words, such as primary solid tumor; empty where unknown."
}
SHEET_COLUMNS = {  # of calls.tsv, by the name in calls.csv
    column.name: Column(
        _SHEET_NAMES[column.name],
        column.dtype,
        _SHEET_MEANINGS.get(column.name, column.meaning),
        column.unit,
    )
    for column in named(" ".join(_SHEET_NAMES), CALL_COLUMNS)
}
TOP_GENE_COLUMNS = (
    Column("sample", TEXT, "The ID of the sample."),
    Column("rank", WHOLE, "The rank of the gene in the sample.", "rank, from 1"),
    Column("gene", TEXT, "The name of the gene."),
    Column("saliency", NUMBER, "The saliency.", "mean absolute saliency of the sample"),
    Column("standardised", NUMBER, "The expression less the mean in training.", _SD),
)
SHIFT_COLUMNS = (
    Column("gene", TEXT, "The name of the gene."),
    Column("row", TEXT, "Its ID in the new matrix; empty where the matrix lacks it."),
    Column("missing", NUMBER, "The share of the new samples without a value.", _SHARE),
    Column("mean", NUMBER, "The mean over the new samples as they were read.", "log2(x + 1)"),
    Column("sd", NUMBER, "The standard deviation over the new samples.", "log2(x + 1)"),
    Column("shift", NUMBER, "The mean of the new samples less that in training.", _SD),
    Column("shift_within", NUMBER, "The same, each sample against the tumor of its call.", _SD),
    Column("is_shifted", FLAG, "Whether shift_within is 0.5 or more, and beyond chance."),
)
MAP_ANSWER_COLUMNS = (
    Column("sample", TEXT, "The ID of the sample."),
    Column("target", TEXT, "The tumor that the map is for."),
    Column("method", TEXT, "The saliency method."),
    Column("model", TEXT, "The network that the map explains."),
    Column("gene", TEXT, "The name of the gene, or of that which a decoy copies."),
    Column("decoy", FLAG, "Whether the pixel is that of a decoy."),
    Column("saliency", NUMBER, "The saliency of the pixel.", "unit of the method"),
    Column("share", NUMBER, "The same as a share of the map's maximum.", _SHARE),
    Column("expression", NUMBER, "The expression of the gene in the sample.", "log2(x + 1)"),
    Column("standardised", NUMBER, "The same less the mean in training.", _SD),
    Column("row", WHOLE, "The row of the pixel, from 0 at the top.", "pixels"),
    Column("column", WHOLE, "The column of the pixel, from 0 at the left.", "pixels"),
    Column("replicates", WHOLE, "In how many of the maps the pixel is picked.", "maps"),
)


def probability_columns(tumors: Sequence[str]) -> tuple[Column, ...]:
    """The columns of probabilities.csv: the sample, then each tumor."""
    meaning = "The calibrated probability of this tumor."
    return (
        Column("sample", TEXT, "The ID of the sample."),
        *(Column(tumor, NUMBER, meaning, _P) for tumor in tumors),
    )
