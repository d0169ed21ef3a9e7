"""Formulas of the saliency methods: from activations and gradients to maps."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tumorcam.saliency.cam import CamPoint

GUIDED = {"guided_grad_cam", "guided_backprop", "guided_gradient", "guided_grad_cam_shared"}
PLAIN = {"gradient", "gradient_x_input", "guided_gradient"}
SHARED = "guided_grad_cam_shared"  # computed from two other methods' maps of all targets
SHARED_PARTS = ("grad_cam", "guided_backprop")
AVERAGED = {"integrated_gradients", "smooth_grad"}  # means over several passes
PATH_NODES = 16  # of integrated gradients
NOISE_DRAWS = 25  # noisy copies of an image for SmoothGrad
NOISE_SHARE = 0.15  # SD of SmoothGrad's noise as a share of the image's range
NOISE_SEED = 2017

GradientFunction = Callable[[tf.Tensor], tf.Tensor]


class Ingredients(NamedTuple):
    """The values and gradients from which the maps of one target are computed.

    `image`, `gradient` and `guided_gradient` are (samples, rows, columns, channels). `activation`
    is Grad-CAM's, (samples, cell rows, cell columns, channels); `cam_gradient` is the gradient
    there, of the same shape or (samples, channels), summed over rows and columns. What no method
    needs is None.
    """

    image: tf.Tensor
    gradient: tf.Tensor | None
    guided_gradient: tf.Tensor | None
    activation: tf.Tensor | None
    cam_gradient: tf.Tensor | None


def target_maps(ingredients: Ingredients, cam: CamPoint | None) -> dict[str, tf.Tensor]:
    """All maps that can be computed from the ingredients, summed over channels.

    Returns
    -------
    dict
        (samples, rows, columns) float32, keyed by the method's name.
    """
    image, gradient, guided_gradient, activation, cam_gradient = (
        None if tensor is None else tf.cast(tensor, tf.float32) for tensor in ingredients
    )
    maps = {}
    if gradient is not None:
        maps["gradient"] = tf.reduce_sum(gradient, -1)
        maps["gradient_x_input"] = tf.reduce_sum(gradient * image, -1)
    if guided_gradient is not None:
        maps["guided_backprop"] = tf.reduce_sum(guided_gradient, -1)
    if cam is not None:
        maps["grad_cam"] = _grad_cam(activation, cam_gradient, cam)
    if guided_gradient is not None and gradient is not None:
        guided, agreeing = maps["guided_backprop"], tf.nn.relu(maps["gradient"])
        maps["guided_gradient"] = tf.sign(guided) * tf.sqrt(tf.abs(guided) * agreeing)
    if guided_gradient is not None and cam is not None:
        maps["guided_grad_cam"] = maps["grad_cam"] * maps["guided_backprop"]
    return maps


def _grad_cam(activation: tf.Tensor, gradient: tf.Tensor, cam: CamPoint) -> tf.Tensor:
    n_cells = activation.shape[1] * activation.shape[2]
    alpha = gradient / n_cells
    if len(alpha.shape) == 4:
        alpha = tf.reduce_sum(alpha, (1, 2))
    coarse = tf.nn.relu(tf.einsum("nhwk,nk->nhw", activation, alpha))
    return tf.einsum("ph,nhw,qw->npq", cam.rows, coarse, cam.columns)


def mean_gradient_on_path(
    gradient: GradientFunction, images: tf.Tensor, zeros: tf.Tensor
) -> tf.Tensor:
    """Mean gradient on the straight path from a zero image to the image.

    The mean is a Gauss-Legendre quadrature with PATH_NODES nodes.

    Parameters
    ----------
    gradient : callable
        Gradients (targets, samples, rows, columns, channels) of images.
    images : (samples, rows, columns, channels) float32
    zeros : (targets, samples, rows, columns, channels) float32
        Zeros, to which the gradients are added.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365.
    """
    nodes, shares = np.polynomial.legendre.leggauss(PATH_NODES)
    steps = np.stack([(nodes + 1) / 2, shares / 2], axis=1).astype(np.float32)

    def add(total: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return total + step[1] * gradient(step[0] * images)

    return tf.foldl(add, steps, zeros, parallel_iterations=1)


def mean_gradient_under_noise(
    gradient: GradientFunction, images: tf.Tensor, zeros: tf.Tensor
) -> tf.Tensor:
    """Mean gradient over noisy copies of each image.

    All samples get the same noise, scaled by the range of the image. Parameters as in
    `mean_gradient_on_path`.

    References
    ----------
    Smilkov et al. 2017, arXiv:1706.03825.
    """
    axes = (1, 2, 3)
    spread = tf.reduce_max(images, axes) - tf.reduce_min(images, axes)
    spread = NOISE_SHARE * spread[:, None, None, None]

    def add(total: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        noise = tf.random.stateless_normal(images.shape[1:], tf.stack([NOISE_SEED, draw]))
        return total + gradient(images + spread * noise) / NOISE_DRAWS

    return tf.foldl(add, tf.range(NOISE_DRAWS), zeros, parallel_iterations=1)
