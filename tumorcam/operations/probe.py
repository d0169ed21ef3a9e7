"""What a probe has measured of a machine, and the file in which it is kept."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorcam.errors import FileError
from tumorcam.settings.config import Config
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.run_folder import RunFolder

PROBE_TYPE = "tumorcam-probe"
KEYS = ("batch_size", "micro_batch", "precision", "mixup", "input_dropout", "input_noise")
EXPLAINED_BATCHES = 3  # of a model in a probe; the first one compiles
MB = 1e6


@dataclass(frozen=True)
class Probe:
    """Seconds and bytes of one process, while as many as fit on the machine work side by side.

    Attributes
    ----------
    date, machine, cpu, devices : str
        When and where it was measured; `devices` are those that TensorFlow sees.
    versions : dict
        Version of tumorcam, Python and TensorFlow.
    settings : str
        Digest of the settings on which the numbers depend, from `settings_digest`.
    n_cpus, n_processes, threads : int
        CPUs of the machine, processes side by side, and threads of each.
    side : int
        Side of the image, in pixels.
    job_start, tensorflow_start : float
        Seconds until a job works, without TensorFlow and with it.
    train_start, explain_start : float
        Seconds of a job beside its steps and samples: imports, compilation, files.
    train_sample, explain_sample, forward_sample : float
        Seconds of a sample in a training step, in explaining, and in a forward pass.
    model_load : float
        Seconds to read a model, and to build and trace its network.
    read_value, write_value : float
        Seconds to read a value of an expression matrix in text, and to draw and write one.
    tree_pair : float
        Seconds for a pair of genes in a co-expression tree.
    band_file, band_ranking : float
        Seconds of reduce to write the file of a band of columns, and each ranking in it.
    reduce_value, patient_value, tumor_value : float
        Seconds of reduce for a value of a shard; for a gene or decoy of a patient; of a tumor.
    gene_patient_value, gene_tumor_value : float
        Seconds that a gene of a patient, and of a tumor, takes more than a decoy.
    rank_pair, report_pair : float
        Seconds of reduce and of report for a gene of a tumor in a ranking.
    report_start : float
        Seconds of the report beside that, from its start on.
    regression_value : float
        Seconds of a logistic regression for a gene of a sample and a tumor.
    write_rate, read_rate : float
        Bytes a second, written to the run's folder and read with their digest.
    base_peak, text_peak, train_peak, explain_peak, forward_peak, report_peak : int
        Peak memory in bytes of a process without TensorFlow, of reading text, of training, of
        explaining, of forward passes, and of a small report.
    """

    date: str
    machine: str
    cpu: str
    devices: str
    versions: dict[str, str]
    settings: str
    n_cpus: int
    n_processes: int
    threads: int
    side: int
    job_start: float
    tensorflow_start: float
    train_start: float
    train_sample: float
    explain_start: float
    explain_sample: float
    forward_sample: float
    model_load: float
    read_value: float
    write_value: float
    tree_pair: float
    band_file: float
    band_ranking: float
    reduce_value: float
    patient_value: float
    tumor_value: float
    gene_patient_value: float
    gene_tumor_value: float
    rank_pair: float
    report_start: float
    report_pair: float
    regression_value: float
    write_rate: float
    read_rate: float
    base_peak: int
    text_peak: int
    train_peak: int
    explain_peak: int
    forward_peak: int
    report_peak: int


def settings_digest(config: Config) -> str:
    """A digest of the settings on which the numbers of a probe depend."""
    training = {key: getattr(config.training, key) for key in KEYS}
    settings = (config.model, config.explain, training, config.run.threads_per_rank)
    return integrity.text_digest(repr(settings))


def write_probe(config: Config, probe: Probe) -> Path:
    """Write probe.json into the folder of the run; its path.

    Raises
    ------
    FileError
        If the disk or a quota is full.
    """
    path = RunFolder.of(config).probe
    fields = {"encoding-type": PROBE_TYPE} | dataclasses.asdict(probe)
    hdf5.write_text(path, integrity.json_text(fields))
    return path


def read_probe(config: Config) -> Probe | None:
    """The probe of a run; None where there is none of this version, or of other settings."""
    try:
        fields = integrity.read_json(RunFolder.of(config).probe)
        is_probe = fields.pop("encoding-type", "") == PROBE_TYPE
        probe = Probe(**fields) if is_probe else None
    except (FileError, TypeError):
        return None
    is_same = probe is not None and probe.settings == settings_digest(config)
    return probe if is_same else None


def probe_lines(probe: Probe) -> list[str]:
    """A probe as a short table for a terminal."""
    rows: list[tuple[str, Any]] = [
        ("start of a job, of train, of explain",
         f"{probe.job_start:.1f}, {probe.train_start:.1f}, {probe.explain_start:.1f} s"),
        ("a training step", f"{1000 * probe.train_sample:.3g} ms a sample"),
        ("explaining", f"{1000 * probe.explain_sample:.3g} ms a sample"),
        ("a forward pass", f"{1000 * probe.forward_sample:.3g} ms a sample"),
        ("reading input text", f"{1e6 * probe.read_value:.3g} s a million values"),
        ("reading shards in reduce", f"{1e6 * probe.reduce_value:.3g} s a million values"),
        ("the report",
         f"{probe.report_start:.1f} s, and {1e6 * probe.report_pair:.3g} s a million genes"),
        ("the run's folder",
         f"writes {probe.write_rate / MB:,.0f} MB/s, reads {probe.read_rate / MB:,.0f} MB/s"),
        ("peak memory of train, of explain",
         f"{probe.train_peak / MB:,.0f} MB, {probe.explain_peak / MB:,.0f} MB"),
    ]  # fmt: skip
    about = [
        f"probe of {probe.machine}, {probe.date}: {probe.cpu}, {probe.devices};",
        f"{probe.n_processes} processes of {probe.threads} threads on {probe.n_cpus} CPUs",
    ]
    return [*about, *(f"  {name:38}{value}" for name, value in rows)]
