"""Which stage is the first whose results depend on a setting; those of all later stages do, too."""

STAGES = ("prepare", "train", "explain", "reduce", "faithfulness", "report")  # in their order
STAGE_OF_SECTION = {
    "run": "prepare",
    "input": "prepare",
    "cohort": "prepare",
    "splits": "prepare",
    "layout": "prepare",
    "apply": "prepare",
    "synthesize": "prepare",
    "model": "train",
    "training": "train",
    "explain": "explain",
    "significance": "reduce",
    "faithfulness": "faithfulness",
    "report": "report",
}
STAGE_OF_SETTING = {  # where it is another one than the section's; None: no result depends on it
    "run.name": None,
    "run.folder": None,
    "run.threads_per_rank": None,
    "layout.nulls": None,  # null runs may be added, and change nothing else
    "training.checkpoint_steps": None,
    "training.checkpoint_share": None,
    "training.tensorboard": None,
    "explain.compression": None,
    "explain.batch_size": None,  # maps agree within 1e-6; on a GPU its memory decides
    "report.view": "faithfulness",
    "apply.run": None,
    "apply.false_alarms": "train",
    "apply.target": "explain",
}
ADDED = {  # since files have version 3: files that do not name the setting have this value
    "training.precision": "float32",
}


def first_stage(section: str, key: str) -> str | None:
    """The first stage whose results depend on a setting; None if no result does.

    Of a section that this version does not know it is the first.
    """
    return STAGE_OF_SETTING.get(f"{section}.{key}", STAGE_OF_SECTION.get(section, STAGES[0]))


def stages_until(stage: str) -> tuple[str, ...]:
    """A stage and those before it."""
    return STAGES[: STAGES.index(stage) + 1]
