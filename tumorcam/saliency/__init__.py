"""Exact saliency maps of convolutional networks."""

from tumorcam.saliency.explainer import Explainer, Maps, sample_bytes
from tumorcam.saliency.gradients import (
    gradient,
    gradient_x_input,
    integrated_gradients,
    smooth_grad,
)
from tumorcam.saliency.library import (
    grad_cam,
    guided_backprop,
    guided_grad_cam,
    guided_grad_cam_shared,
    guided_gradient,
)

__all__ = [
    "Explainer",
    "Maps",
    "grad_cam",
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "guided_grad_cam",
    "guided_grad_cam_shared",
    "guided_gradient",
    "integrated_gradients",
    "sample_bytes",
    "smooth_grad",
]
