"""What a probe has measured, in its file and on the terminal; and a probe of a tiny network."""

import dataclasses

import pytest
from probes import probe_of

from jobs import preflight
from tumorcam.operations.probe import probe_lines, read_probe, settings_digest, write_probe


def with_training(config, **settings):
    training = dataclasses.replace(config.training, **settings)
    return dataclasses.replace(config, training=training)


def test_a_probe_is_read_as_it_was_written(tiny_config):
    assert read_probe(tiny_config) is None
    probe = probe_of(tiny_config, side=8)
    assert write_probe(tiny_config, probe).name == "probe.json"
    assert read_probe(tiny_config) == probe


def test_a_probe_of_other_settings_does_not_count(tiny_config):
    write_probe(tiny_config, probe_of(tiny_config, side=8))
    assert read_probe(with_training(tiny_config, batch_size=64)) is None
    assert read_probe(with_training(tiny_config, epochs=99)) is not None, "a step is as fast"


@pytest.mark.parametrize("text", ["", "{}", '{"encoding-type": "tumorcam-probe"}'])
def test_a_damaged_probe_does_not_count(tiny_config, text):
    path = write_probe(tiny_config, probe_of(tiny_config, side=8))
    path.write_text(text, encoding="utf-8")
    assert read_probe(tiny_config) is None


def test_a_probe_fits_a_terminal(tiny_config):
    lines = probe_lines(probe_of(tiny_config, side=8))
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "a training step" in text and "10 ms a sample" in text and "1,000 MB, 800 MB" in text


def test_a_dry_run_measures_nothing(tiny_toml, tiny_config, capsys):
    assert preflight.main([tiny_toml, "--probe", "--dry-run", "--genes", "36"]) == 0
    assert "would measure this machine, with images of side 8" in capsys.readouterr().out
    assert not tiny_config.folder.exists()


@pytest.mark.slow
def test_a_tiny_network_is_probed(tiny_run, tiny_toml, capsys):
    assert preflight.main([tiny_toml, "--probe"]) == 0
    probe = read_probe(tiny_run)
    assert "written to" in capsys.readouterr().out
    assert probe.settings == settings_digest(tiny_run) and probe.side == 8
    numbers = {n: v for n, v in vars(probe).items() if isinstance(v, float)}
    assert min(numbers.values()) >= 0 and probe.train_sample > 0 and probe.explain_sample > 0
    assert probe.train_peak > probe.base_peak > 0
    assert not list(tiny_run.folder.glob(".probe-*")), "the drawn runs are removed"
