"""Names by which columns and rows of a matrix are told to be neither genes nor samples."""

import re
from collections.abc import Sequence

from tumorcam.readers import column_names
from tumorcam.readers.column_names import plain_spelling

UNNAMED = re.compile(r"|Unnamed: \d+|\.\.\.\d+|V1|X|row names")  # of pandas, readr and R
ANNOTATION = frozenset(
    (
        *column_names.GENE_ID,
        *column_names.CHROMOSOME,
        *column_names.START,
        *"""end geneend endposition geneendbp txend chromend stop strand length genelength
        effectivelength basepairs width exons exoncount transcriptcount description
        genedescription genetype genebiotype biotype type class transcriptid transcripttype
        transcriptids hugosymbol hgnc hgncid hgncsymbol refseq refseqid unigene uniprot
        uniprotid accession probe probeid probeset probesetid idref mirnaid mirna hybridizationref
        compositeelementref gccontent percentagegenegccontent band cytoband karyotypeband locus
        location alias aliases synonym synonyms source havanagene level tag entrezgenesymbol
        officialgenesymbol target targetid feature featureid row rownames rowname
        index""".split(),
    )
)
# Exact names of columns and rows that describe samples; none is a gene symbol of HGNC.
CLINICAL = frozenset(
    (
        *column_names.SAMPLE,
        *column_names.TUMOR,
        *column_names.PATIENT,
        *column_names.SAMPLE_TYPE,
        *column_names.SOURCE,
        *"""age gender sex race ethnicity label labels class classes target y group groups subtype
        stage grade fold split status event time os ostime osevent osmonths osstatus osdays pfi
        pfitime dss dsstime dfi dfitime rfs rfstime pfs pfstime dfs dfstime survival survivaltime
        vitalstatus diagnosis histology response outcome censored purity bmi weight height smoking
        smoker treatment batchid plate center tss cancertypelabel classlabel tumorlabel type
        cluster ageatdiagnosis tumorstage tumorgrade yearofbirth yearofdeath isnormal istumor
        istrain istest train test run""".split(),
    )
)
CLINICAL_PATTERN = re.compile(
    r"(days|months|years?|age|is|has|date|number|pathologic|clinical|histological|vital|tumou?r"
    r"|cancer|sample|patient|disease)[_. ].+"
    r"|.+[_. ](time|months|days|status|event|stage|grade|labels?|type|diagnosis|code|barcode|id)",
    re.I,
)
TOTALS = frozenset(
    "total totals grandtotal sum columntotal columntotals columnsums mean median average stddev "
    "standarddeviation ncount nfeature ncountrna nfeaturerna".split()
)
MEASURES = {  # by input.scale: the names of measures that have it, in plain spelling
    "counts": """rawcount rawcounts counts count readcount readcounts expectedcount
        expectedcounts unstranded estcounts numreads reads""".split(),
    "tpm": "tpm tpmunstranded".split(),
    "fpkm": "fpkm fpkmunstranded rpkm fpkmuq fpkmuqunstranded".split(),
    "rsem": "normalizedcount normalizedcounts rsem".split(),
    "scaled_estimate": ["scaledestimate"],
}

# A measure before the name of a sample, as TCGAbiolinks writes it.
MEASURE_AND_SAMPLE = re.compile(
    r"(unstranded|stranded_first|stranded_second|tpm_unstranded|fpkm_unstranded"
    r"|fpkm_uq_unstranded|raw_count|scaled_estimate|transcript_id|normalized_count|read_count"
    r"|reads_per_million_miRNA_mapped|cross-mapped)_(.+)"
)


def sample_and_measure(name: str) -> tuple[str, str] | None:
    """The two parts of a name such as S1_TPM, S1.count or FPKM-S1; None for any other name."""
    usual = {measure for measures in MEASURES.values() for measure in measures}
    for separator in re.finditer(r"[\s_.:\-|]+", name):
        before, after = name[: separator.start()], name[separator.end() :]
        if plain_spelling(after) in usual and before:
            return before, after
        if plain_spelling(before) in usual and after:
            return after, before
    return None


def is_unnamed(name: str) -> bool:
    """Whether a column has no name, or one that a program gave it for lack of one."""
    return UNNAMED.fullmatch(name) is not None


def is_annotation(name: str) -> bool:
    """Whether a column of such a name describes genes."""
    return plain_spelling(name) in ANNOTATION


def is_clinical(name: str) -> bool:
    """Whether a column or row of such a name describes samples, so that it is no gene."""
    spelling = plain_spelling(name)
    return spelling in CLINICAL or CLINICAL_PATTERN.fullmatch(name) is not None


def are_clinical(names: Sequence[str]) -> bool:
    """Whether most names are those of columns that describe samples, and not Sample_1, Sample_2."""
    distinct = {re.sub(r"\d", "", name) for name in names if is_clinical(name)}
    return len(distinct) > len(names) / 2


def is_total(name: str) -> bool:
    """Whether a row of such a name sums up the other rows, as totals and averages do."""
    return plain_spelling(name) in TOTALS
