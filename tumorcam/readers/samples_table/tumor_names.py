"""Names of the 33 tumor types of TCGA, by their study codes."""

import functools
import re

# gdc.cancer.gov/resources-tcga-users/tcga-code-tables/tcga-study-abbreviations; after the first
# name, those of UCSC Xena's phenotype table and of cBioPortal where they differ.
NAMES = {
    "ACC": "adrenocortical carcinoma;adrenocortical cancer",
    "BLCA": "bladder urothelial carcinoma",
    "BRCA": "breast invasive carcinoma;invasive breast carcinoma",
    "CESC": "cervical squamous cell carcinoma and endocervical adenocarcinoma;"
    "cervical and endocervical cancer;cervical squamous cell carcinoma",
    "CHOL": "cholangiocarcinoma",
    "COAD": "colon adenocarcinoma",
    "DLBC": "lymphoid neoplasm diffuse large b cell lymphoma;diffuse large b cell lymphoma",
    "ESCA": "esophageal carcinoma",
    "GBM": "glioblastoma multiforme;glioblastoma",
    "HNSC": "head and neck squamous cell carcinoma",
    "KICH": "kidney chromophobe",
    "KIRC": "kidney renal clear cell carcinoma;kidney clear cell carcinoma",
    "KIRP": "kidney renal papillary cell carcinoma;kidney papillary cell carcinoma",
    "LAML": "acute myeloid leukemia",
    "LGG": "brain lower grade glioma;lower grade glioma",
    "LIHC": "liver hepatocellular carcinoma;hepatocellular carcinoma",
    "LUAD": "lung adenocarcinoma",
    "LUSC": "lung squamous cell carcinoma",
    "MESO": "mesothelioma",
    "OV": "ovarian serous cystadenocarcinoma",
    "PAAD": "pancreatic adenocarcinoma",
    "PCPG": "pheochromocytoma and paraganglioma",
    "PRAD": "prostate adenocarcinoma",
    "READ": "rectum adenocarcinoma;rectal adenocarcinoma",
    "SARC": "sarcoma",
    "SKCM": "skin cutaneous melanoma",
    "STAD": "stomach adenocarcinoma",
    "TGCT": "testicular germ cell tumors;testicular germ cell tumor",
    "THCA": "thyroid carcinoma",
    "THYM": "thymoma",
    "UCEC": "uterine corpus endometrial carcinoma;uterine corpus endometrioid carcinoma",
    "UCS": "uterine carcinosarcoma",
    "UVM": "uveal melanoma",
}
CODE_OF_NAME = {name: code for code, names in NAMES.items() for name in names.split(";")}
PROJECT = re.compile(r"TCGA[-_ ]([A-Z]{2,4})|.*\(([A-Z]{2,4})\)", re.IGNORECASE)  # ID; name (CODE)


@functools.lru_cache(2**14)
def tumor_code(text: str) -> str:
    """The code of a study of TCGA, from code, project ID or full name; empty for other texts.

    Parameters
    ----------
    text : str
        Such as "BRCA", "TCGA-BRCA", "Breast invasive carcinoma" or "TCGA Breast Cancer (BRCA)".
    """
    stripped = text.strip()
    project = PROJECT.fullmatch(stripped)
    code = (project[1] or project[2] if project else stripped).upper()
    if code in NAMES:
        return code
    words = re.sub(r"[^a-z]+", " ", stripped.lower().replace("&", " and ")).split()
    return CODE_OF_NAME.get(" ".join(words), "")
