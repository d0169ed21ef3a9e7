import dataclasses

import pytest
import training_runs
from applied_runs import cohort_of, new_table, prepare_new, settings_of, write_matrix

from tumorcam.errors import StaleError
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.source import network_source


@pytest.fixture(scope="module")
def new(host_run, tmp_path_factory):
    """Folder, cohort and settings of new samples."""
    path = write_matrix(new_table(), tmp_path_factory.mktemp("source") / "m.tsv")
    assert prepare_new(host_run, path, name="source") == 0
    config = settings_of(host_run, "source")
    return RunFolder.of(config), cohort_of(host_run, "source"), config


def with_layout(config, **changes):
    return dataclasses.replace(config, layout=dataclasses.replace(config.layout, **changes))


def test_a_run_s_networks_are_its_own(host_run):
    run = RunFolder.of(host_run)
    source = network_source(run, training_runs.cohort_of(host_run), host_run)
    assert source.run == run and source.config == host_run


def test_new_samples_meet_the_networks_of_the_run_around_them(new, host_run):
    run, cohort, config = new
    source = network_source(run, cohort, config)
    assert source.run.root == host_run.folder
    assert source.cohort_digest == training_runs.cohort_of(host_run).digest != cohort.digest
    assert run.models == source.run.models


def test_null_runs_do_not_matter_but_other_networks_do(new):
    run, cohort, config = new
    network_source(run, cohort, with_layout(config, nulls=3))
    with pytest.raises(StaleError, match="other settings in layout than when"):
        network_source(run, cohort, with_layout(config, spacing=2))
