"""Which of someone's files is what, and which settings a config for them has."""

import gzip

import pytest

from tumorcam.cluster.launcher import current_launch
from tumorcam.operations.inspection import choices_for, config_of_files, file_roles
from tumorcam.operations.starter import write_config
from tumorcam.settings.config import load_config

MATRIX = "gene,TCGA-AA-0001-01,TCGA-AA-0002-01\n" + "TP53,1.5,2.5\n" * 5
LABELS = "sample\ttumor\tage\nTCGA-AA-0001-01\tBRCA\tx\nTCGA-AA-0002-01\tCOAD\t61\n"


@pytest.fixture
def files(tmp_path):
    texts = {"matrix.csv": MATRIX, "labels.tsv": LABELS, "comma.csv": MATRIX.replace(",", ";")}
    texts["comma.csv"] = texts["comma.csv"].replace(".", ",")
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "labels.tsv.gz").write_bytes(gzip.compress(LABELS.encode()))
    (tmp_path / "atlas.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "counts").mkdir()
    return {path.name: str(path) for path in tmp_path.iterdir()}


@pytest.mark.parametrize("labels", ["labels.tsv", "labels.tsv.gz"])
@pytest.mark.parametrize("matrix", ["matrix.csv", "comma.csv", "counts", "atlas.h5ad"])
def test_a_table_of_texts_is_one_of_samples(files, matrix, labels):
    paths = [files[labels], files[matrix]]
    for order in (paths, paths[::-1]):
        assert file_roles(order) == ([files[matrix]], [files[labels]])


def test_a_table_of_numbers_is_one_of_samples_by_its_names(files, tmp_path):
    clinical = tmp_path / "clinical.tsv"
    rows = [f"TCGA-AA-000{i}\t{i + 40}\t{i * 99}\t{i % 2}\t{'AB'[i % 2]}\n" for i in range(9)]
    clinical.write_text("patient\tage_at_diagnosis\tOS.time\tOS\tdisease\n" + "".join(rows))
    matrix = [files["matrix.csv"]]
    assert file_roles([str(clinical), *matrix]) == (matrix, [str(clinical)])
    codes = tmp_path / "codes.tsv"
    codes.write_text("sample\ttumor_type\n" + "".join(f"S{i}\t{i % 2}\n" for i in range(9)))
    assert file_roles([*matrix, str(codes)]) == (matrix, [str(codes)])


def test_a_matrix_with_annotation_is_no_table_of_samples(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.tsv", "b.tsv")]
    for path, text in zip(paths, ["gene\tDescription\tS1\tS2\n", "gene\tS3\tS4\n"], strict=True):
        rows = ["TP53\tp53\t1.5\t2\n"] * 9 if "Desc" in text else ["TP53\t1.5\t2\n"] * 9
        (tmp_path / path).write_text(text + "".join(rows))
    assert file_roles(paths) == (paths, [])


def test_the_only_file_is_the_matrix_and_others_keep_their_order(files):
    assert file_roles([files["labels.tsv"]]) == ([files["labels.tsv"]], [])
    paths = [files["comma.csv"], files["labels.tsv"], files["matrix.csv"], "absent.tsv"]
    assert file_roles(paths) == ([paths[0], *paths[2:]], [paths[1]])


def test_a_config_of_files_has_the_settings_on_top():
    overrides = {"input": {"scale": "counts"}, "splits": {"folds": 3}}
    config = config_of_files(["a", "b"], [], overrides)
    assert config.input.expression == ("a", "b") and config.input.samples == ()
    assert (config.input.scale, config.splits.folds) == ("counts", 3)
    assert overrides == {"input": {"scale": "counts"}, "splits": {"folds": 3}}, "not changed"


@pytest.mark.parametrize("scale", ["", "as_is"])
def test_a_new_config_says_what_was_read(tiny_files, tmp_path, scale):
    said = []
    choices = choices_for([*map(str, tiny_files)], scale, current_launch(), said.append)
    assert (choices.expression, choices.samples) == ([str(tiny_files[0])], [str(tiny_files[1])])
    write_config(tmp_path / "new.toml", choices)
    config = load_config(tmp_path / "new.toml")
    assert config.input.scale == (scale or "log2")
    assert config.input.tumor_column == "tumor"
    assert any(line.startswith("orientation: ") for line in said)
