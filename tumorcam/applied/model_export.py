"""The networks of a finished run in a folder that is used without tumorcam."""

import tempfile
from pathlib import Path

from tumorcam.applied import export_files
from tumorcam.applied.ensemble import read_ensemble, save_ensemble
from tumorcam.applied.reference import REFERENCE_TYPE, REMEDY, Reference
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.storage import hdf5, manifest
from tumorcam.storage.new_folder import write_new_folder
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import model_digest


def write_export(
    run: RunFolder, cohort: Cohort, config: Config, reference: Reference, folder: Path
) -> None:
    """Write a SavedModel of all networks, a script that uses it, README.txt and files.json.

    Parameters
    ----------
    run, cohort, config
        A finished run, its own cohort and its settings.
    reference : Reference
        Of this run; it has the temperature of the probabilities.
    folder : Path
        A new or an empty folder; it appears when all is written.

    Raises
    ------
    FileError
        If a model is missing or damaged, the folder is not empty, or the disk is full.
    ModelError
        If a model does not fit the cohort.
    """
    keys = export_files.model_keys(cohort)
    models = [run.model(key) for key in keys]
    temperature = reference.calibration.temperature
    needed = export_files.model_bytes(cohort, config)
    with write_new_folder(folder, needed=needed) as aside, tempfile.TemporaryDirectory() as names:
        texts = export_files.write_names(Path(names), cohort)
        ensemble = read_ensemble(run, cohort, keys, config, temperature=temperature, texts=texts)
        save_ensemble(ensemble, aside / export_files.MODEL)
        for name, text in (
            (export_files.USE, export_files.script_text(config)),
            (export_files.README, export_files.readme_text(cohort, config, temperature)),
        ):
            (aside / name).write_text(text, encoding="utf-8")
        files = sorted(path for path in aside.rglob("*") if path.is_file())
        made_from = {path.relative_to(run.root).as_posix(): model_digest(path) for path in models}
        made_from[run.cohort.name] = cohort.digest
        made_from[run.reference.name] = hdf5.stored_digest(
            run.reference, REFERENCE_TYPE, remedy=REMEDY
        )
        listed = [path.relative_to(aside).as_posix() for path in files]
        manifest.write_manifest(aside / manifest.FILE_NAME, listed, made_from)
