"""A probe of made-up round numbers."""

from tumorcam.operations.probe import Probe, settings_digest
from tumorcam.settings.config import Config


def probe_of(config: Config, *, side: int, n_cpus: int = 4) -> Probe:
    threads = config.run.threads_per_rank
    return Probe(
        date="2026-01-02 03:04",
        machine="node7",
        cpu="CPU of a test",
        devices="TensorFlow 2.0, CPU:0",
        versions={"tumorcam": "1.0"},
        settings=settings_digest(config),
        n_cpus=n_cpus,
        n_processes=n_cpus // threads,
        threads=threads,
        side=side,
        job_start=2.0,
        tensorflow_start=5.0,
        train_start=10.0,
        train_sample=0.01,
        explain_start=12.0,
        explain_sample=0.02,
        forward_sample=0.002,
        model_load=0.5,
        read_value=1e-6,
        write_value=2e-6,
        tree_pair=1e-7,
        band_file=0.1,
        band_ranking=0.02,
        reduce_value=1e-6,
        patient_value=1e-6,
        tumor_value=1e-5,
        gene_patient_value=2e-6,
        gene_tumor_value=2e-5,
        rank_pair=1e-4,
        report_start=15.0,
        report_pair=1e-4,
        regression_value=1e-7,
        write_rate=5e8,
        read_rate=6e8,
        base_peak=2 * 10**8,
        text_peak=3 * 10**8,
        train_peak=10**9,
        explain_peak=8 * 10**8,
        forward_peak=9 * 10**8,
        report_peak=3 * 10**8,
    )
