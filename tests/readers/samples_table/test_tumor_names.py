"""Codes of TCGA's studies from codes, project IDs and full names."""

import pytest

from tumorcam.readers.samples_table.tumor_names import NAMES, tumor_code

XENA = {  # of UCSC Xena's TCGA_phenotype_denseDataOnlyDownload
    "adrenocortical cancer": "ACC",
    "bladder urothelial carcinoma": "BLCA",
    "breast invasive carcinoma": "BRCA",
    "cervical & endocervical cancer": "CESC",
    "cholangiocarcinoma": "CHOL",
    "colon adenocarcinoma": "COAD",
    "diffuse large B-cell lymphoma": "DLBC",
    "esophageal carcinoma": "ESCA",
    "glioblastoma multiforme": "GBM",
    "head & neck squamous cell carcinoma": "HNSC",
    "kidney chromophobe": "KICH",
    "kidney clear cell carcinoma": "KIRC",
    "kidney papillary cell carcinoma": "KIRP",
    "acute myeloid leukemia": "LAML",
    "brain lower grade glioma": "LGG",
    "liver hepatocellular carcinoma": "LIHC",
    "lung adenocarcinoma": "LUAD",
    "lung squamous cell carcinoma": "LUSC",
    "mesothelioma": "MESO",
    "ovarian serous cystadenocarcinoma": "OV",
    "pancreatic adenocarcinoma": "PAAD",
    "pheochromocytoma & paraganglioma": "PCPG",
    "prostate adenocarcinoma": "PRAD",
    "rectum adenocarcinoma": "READ",
    "sarcoma": "SARC",
    "skin cutaneous melanoma": "SKCM",
    "stomach adenocarcinoma": "STAD",
    "testicular germ cell tumor": "TGCT",
    "thyroid carcinoma": "THCA",
    "thymoma": "THYM",
    "uterine corpus endometrioid carcinoma": "UCEC",
    "uterine carcinosarcoma": "UCS",
    "uveal melanoma": "UVM",
}


def test_all_studies_are_there():
    assert set(XENA.values()) == set(NAMES)
    assert len(NAMES) == 33


@pytest.mark.parametrize(("name", "code"), XENA.items())
def test_names_codes_and_projects_give_the_code(name, code):
    texts = [name, name.title(), name.replace(" ", "_"), code, code.lower(), f"TCGA-{code}"]
    texts += [f"TCGA {name} ({code})", f"tcga_{code}"]
    assert {tumor_code(text) for text in texts} == {code}


@pytest.mark.parametrize("text", ["", "TCGA", "TARGET-AML", "Breast", "BRCA2", "LumA", "(ABC)"])
def test_other_texts_give_nothing(text):
    assert tumor_code(text) == ""
