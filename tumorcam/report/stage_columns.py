"""Every column of the tables that are written before a report: input, downloads and training."""

from tumorcam.report.columns import NUMBER, TEXT, WHOLE, Column

_P = "probability, 0 to 1"
TRUTH_COLUMNS = (
    Column("tumor", TEXT, "The tumor that the gene was planted in."),
    Column("gene", TEXT, "The name of the gene."),
    Column("effect", NUMBER, "The shift of its mean in the tumor.", "SD within a tumor"),
    Column("role", TEXT, "driver, or proxy: a gene that a driver passes some shift on to."),
)
SYNTHETIC_SAMPLE_COLUMNS = (
    Column("sample", TEXT, "The ID of the sample."),
    Column("patient", TEXT, "The ID of its patient."),
    Column("tumor", TEXT, "Its tumor."),
    Column("sample_type", TEXT, "The code 01 of TCGA, a primary tumor."),
    Column("batch", TEXT, "Its batch."),
)
SYNTHETIC_EXPRESSION_COLUMNS = (
    Column("sample", TEXT, "The name of the gene: UCSC Xena gives this column that name."),
    Column("SAMPLE", NUMBER, "The expression in this sample, with 4 decimals.", "log2(x + 1)"),
)
HISTORY_COLUMNS = (
    Column("epoch", WHOLE, "The epoch, from 0.", "epochs"),
    Column("training_loss", NUMBER, "The mean loss of its training steps.", "nats"),
    Column("validation_loss", NUMBER, "The loss on the validation samples after it.", "nats"),
    Column("validation_accuracy", NUMBER, "The share of them that is called right.", "0 to 1"),
    Column("learning_rate", NUMBER, "The learning rate at its end."),
    Column("seconds", NUMBER, "The time that it took.", "s"),
)
MANIFEST_COLUMNS = (
    Column("id", TEXT, "The ID of the file at the GDC."),
    Column("filename", TEXT, "Its name."),
    Column("md5", TEXT, "Its MD5 checksum."),
    Column("size", WHOLE, "Its size.", "bytes"),
    Column("state", TEXT, "Its state at the GDC, such as released."),
)
GDC_SHEET_COLUMNS = (
    Column("File ID", TEXT, "The ID of the file at the GDC."),
    Column("File Name", TEXT, "Its name."),
    Column("Data Category", TEXT, "What kind of data the GDC counts it as."),
    Column("Data Type", TEXT, "Which type of that kind it is."),
    Column("Project ID", TEXT, "The project, such as TCGA-BRCA."),
    Column("Case ID", TEXT, "The ID of the patient."),
    Column("Sample ID", TEXT, "The ID of the sample."),
    Column("Tissue Type", TEXT, "Whether the tissue is Tumor or Normal."),
    Column("Tumor Descriptor", TEXT, "Whether the tumor is Primary, Metastatic and so on."),
    Column("Specimen Type", TEXT, "What was taken, such as Solid Tissue."),
    Column("Preservation Method", TEXT, "How it was kept, such as FFPE."),
)
EXPORT_CALL_COLUMNS = (
    Column("sample", TEXT, "The name of the sample in TABLE."),
    Column("call", TEXT, "The tumor that the networks call."),
    Column("probability", NUMBER, "The calibrated probability of the call.", _P),
    Column("TUMOR", NUMBER, "The calibrated probability of this tumor.", _P),
)
