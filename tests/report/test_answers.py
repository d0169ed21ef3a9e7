import pytest
from made_up_run import finish_run

from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import ConfigError
from tumorcam.report.answers import OPTIONS, answer, ask, options_of
from tumorcam.report.results import read_results
from tumorcam.storage.run_folder import RunFolder

ABSENT = dict.fromkeys(
    ("sample", "gene", "tumor", "method", "view", "top", "target", "cutoff", "replicate")
)


def test_options_of_a_question_have_their_defaults():
    sample = options_of(ABSENT | {"sample": "S", "cutoff": 0.0, "csv": "a.csv"})
    assert (sample["cutoff"], sample["replicate"], sample["csv"]) == (0.0, 0, "a.csv")
    assert (sample["method"], sample["target"]) == ("guided_grad_cam", None)
    assert options_of(ABSENT | {"sample": "S"})["cutoff"] == 0.8
    tumor = options_of(ABSENT | {"tumor": "T", "view": "own"})
    assert (tumor["top"], tumor["view"], tumor["method"]) == (20, "own", None)
    assert options_of(ABSENT | {"gene": ""})["gene"] == ""


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_of_other_questions_are_refused(kind):
    every = {name for options in OPTIONS.values() for name in options}
    for name in every - OPTIONS[kind].keys():
        with pytest.raises(ConfigError, match=f"--{name} goes with --.*, not with --{kind};"):
            options_of(ABSENT | {kind: "x", name: 1})


def test_a_folder_with_tables_of_its_own_is_answered_from_them(tiny_run):
    """Nothing but the cohort and the tables that are given is read: the run folder may be gone."""
    config = finish_run(tiny_run)
    folder = RunFolder.of(config)
    cohort = read_cohort(folder.cohort, config)
    results = read_results(folder, cohort, config)
    for path in (folder.plan, folder.config, folder.baselines):
        path.unlink()
    for given in ({"gene": "gene04"}, {"tumor": "brca", "top": 4}):
        question = ask(cohort, config, options_of(ABSENT | given))
        text, table = answer(cohort, results, question)
        assert "GENE04" in text and len(table) == 4
    assert question.description == "the first 4 genes of BRCA by Gradient × input, contrast"
