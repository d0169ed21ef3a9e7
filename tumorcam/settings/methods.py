"""What the saliency methods ask of each other's settings and of the network."""

from collections.abc import Sequence

from tumorcam.errors import ConfigError, ModelError, quoted
from tumorcam.settings.analysis import ExplainSettings

COARSE = frozenset(("guided_grad_cam", "grad_cam", "guided_grad_cam_shared"))  # use Grad-CAM's map


def require_cubes(settings: ExplainSettings) -> None:
    """Check that the cubes are of methods that are computed.

    Raises
    ------
    ConfigError
        If explain.cubes names a method that explain.methods does not name.
    """
    absent = sorted(set(settings.cubes) - set(settings.methods))
    if absent:
        msg = (
            f"explain.cubes names {', '.join(absent)}, but explain.methods is "
            f"{', '.join(settings.methods)}; name it in both or in neither"
        )
        raise ConfigError(msg)


def require_convolution(layer: str | None, convolutions: Sequence[str]) -> None:
    """Check that a network has the convolution that Grad-CAM looks at.

    Parameters
    ----------
    layer : str or None
        Its name; None stands for the last convolution.
    convolutions : sequence of str
        Names of the network's convolutions.

    Raises
    ------
    ModelError
        If it has not.
    """
    if layer not in convolutions if layer is not None else not convolutions:
        missing = f"convolution {quoted(layer)}" if layer else "convolution, which Grad-CAM needs"
        names = ", ".join(convolutions) or "none"
        msg = f"the network has no {missing}; its convolutions: {names}"
        raise ModelError(msg)
