"""The measure that is read where a file has several, such as counts and TPM of a sample."""

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.matrix import Fact
from tumorcam.readers.quantifications.formats import Quantification
from tumorcam.readers.wording import listed, listed_columns, plain
from tumorcam.settings import InputSettings

ANY_SCALE = "as_is"


def choose_measure(file: Quantification, settings: InputSettings) -> Fact:
    """The measure that the settings ask for, as the fact that tells it; its text is the name.

    Raises
    ------
    InputError
        If the file has no measure of the name or scale that the settings give, or if
        `input.scale` is not the scale of the measure.
    """
    measures = file.format.measures
    name, scale = settings.measure, settings.scale
    if name == AUTO:
        name = _of_scale(file, scale)
        reason = f"it is the measure of {file.format.name} that fits input.scale = {quoted(scale)}"
    else:
        reason = "input.measure names it"
    if name not in measures:
        msg = (
            f"{plain(str(file.path))} ({file.format.name}) has no measure {quoted(name)}; its "
            f"measures are {listed_columns(measures)}; set input.measure to one of them"
        )
        raise InputError(msg)
    if measures[name] not in ("", scale) and scale != ANY_SCALE:
        msg = (
            f"the measure {quoted(name)} of {plain(str(file.path))} ({file.format.name}) holds "
            f"{measures[name]}, but input.scale is {quoted(scale)}; set input.scale = "
            f"{quoted(measures[name])}".replace("'", '"')
        )
        raise InputError(msg)
    others = ", ".join(other for other in measures if other != name)
    return Fact("measure", name, reason, others)


def _of_scale(file: Quantification, scale: str) -> str:
    """The first measure of a scale, or the only measure of a file."""
    measures = file.format.measures
    fitting = [name for name in measures if measures[name] == scale]
    if fitting or len(measures) == 1:
        return (fitting or list(measures))[0]
    first = {scale_of: name for name, scale_of in reversed(list(measures.items())) if scale_of}
    choices = [f'input.scale = "{scale_of}" for {name}' for scale_of, name in first.items()]
    msg = (
        f"{plain(str(file.path))} ({file.format.name}) has the measures "
        f"{listed_columns(measures)}, and none fits input.scale = {quoted(scale)}; set "
        f"{listed(choices[::-1], len(choices))}"
    )
    if scale == ANY_SCALE:
        msg = (
            f"{plain(str(file.path))} ({file.format.name}) has the measures "
            f"{listed_columns(measures)}, and any fits input.scale = {quoted(scale)}; set "
            "input.measure to one of them"
        )
    raise InputError(msg)
