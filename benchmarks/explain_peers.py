"""The network that contenders explain, and the peers of tumorcam's Guided Grad-CAM.

xplique, captum with torch, grad-cam with torchvision, and a textbook loop of one sample at a time.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tumorcam.settings import ModelSettings
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.network import build_network

SIDE, N_TUMORS, N_TARGETS = 107, 22, 4
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow's own default is 0 where the CPU lacks AVX-512
ONE, RIVALS = "one target", "own and three rivals"
XPLIQUE_BATCHES = (32, 64, 128, 256)  # 32 is xplique's default
CAPTUM_BATCH = 64  # of 16 to 128 none is clearly faster here
FEW = 8  # samples of contenders that take them one by one


class Contender(NamedTuple):
    """Something that explains samples; `run` takes all `n_samples` once."""

    name: str
    n_samples: int
    run: Callable[[], object]


def mission(n_samples: int = 64, padding: str = "valid"):
    """The mission's network with its initial weights, images and targets."""
    rng = np.random.default_rng(0)
    settings = ModelSettings(padding=padding)
    network = build_network(settings, side=SIDE, n_tumors=N_TUMORS, rng=rng)
    images = rng.normal(size=(n_samples, SIDE, SIDE, 1)).astype(np.float32)
    fit_initial_weights(network, images[:64])
    return network, images, np.stack([rng.permutation(N_TUMORS)[:N_TARGETS] for _ in images])


def textbook(network, images, targets, n_threads) -> Iterator[Contender]:
    """One sample at a time: a model for Grad-CAM, a copy with guided ReLUs, GradientTape."""
    import keras
    import tensorflow as tf

    @tf.custom_gradient
    def guided_relu(value):
        return (
            tf.nn.relu(value),
            lambda gradient: (
                gradient * tf.cast(gradient > 0, tf.float32) * tf.cast(value > 0, tf.float32)
            ),
        )

    guided = keras.models.clone_model(network)
    guided.set_weights(network.get_weights())
    for layer in guided.layers:
        if getattr(layer, "activation", None) is keras.activations.relu:
            layer.activation = guided_relu
    last = [layer for layer in network.layers if "conv" in layer.name][-1]
    both = keras.Model(network.inputs, [last.output, network.outputs[0]])

    def explain(image, target):
        with tf.GradientTape() as tape:
            activation, logits = both(image[None])
            logit = logits[0, target]
        alpha = tf.reduce_mean(tape.gradient(logit, activation), axis=(1, 2), keepdims=True)
        cam = tf.nn.relu(tf.reduce_sum(alpha * activation, axis=-1, keepdims=True))
        cam = tf.image.resize(cam, image.shape[:2])
        with tf.GradientTape() as tape:
            pixels = tf.constant(image[None])
            tape.watch(pixels)
            logit = guided(pixels)[0, target]
        return (cam * tape.gradient(logit, pixels)).numpy()

    few = min(FEW, len(images))
    yield Contender(
        f"textbook loop, {ONE}",
        few,
        lambda: [explain(images[i], targets[i, 0]) for i in range(few)],
    )


def xplique(network, images, targets, n_threads) -> Iterator[Contender]:
    if not is_installed("xplique"):
        return
    from xplique.attributions import GradCAM, GuidedBackprop

    last = [layer.name for layer in network.layers if "conv" in layer.name][-1]
    one_hot = np.eye(N_TUMORS, dtype=np.float32)

    def contender(size, n_targets, label):
        guided = GuidedBackprop(network, batch_size=size)
        coarse = GradCAM(network, batch_size=size, conv_layer=last)
        return Contender(
            f"xplique, batch {size}, {label}",
            len(images),
            lambda: [
                np.squeeze(guided.explain(images, one_hot[targets[:, t]]))
                * np.squeeze(coarse.explain(images, one_hot[targets[:, t]]))
                for t in range(n_targets)
            ],
        )

    for size in XPLIQUE_BATCHES if os.environ[ONEDNN] == "1" else XPLIQUE_BATCHES[:1]:
        yield contender(size, 1, ONE)
    yield contender(XPLIQUE_BATCHES[0], N_TARGETS, RIVALS)


def torch_peers(network, images, targets, n_threads) -> Iterator[Contender]:
    if not is_installed("torch"):
        return
    import torch

    torch.set_num_threads(n_threads)
    twin = torch_twin(network)
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    classes = torch.from_numpy(targets[:, 0])
    with torch.no_grad():
        gap = np.abs(twin(pixels[:4]).numpy() - network(images[:4]).numpy()).max()
    assert gap < 1e-3, f"the networks differ by {gap}"
    last = [layer for layer in twin if isinstance(layer, torch.nn.Conv2d)][-1]
    if is_installed("captum"):
        from captum.attr import GuidedGradCam

        method, size = GuidedGradCam(twin, last), CAPTUM_BATCH
        yield Contender(
            f"captum, {ONE}",
            len(images),
            lambda: [
                method.attribute(pixels[i : i + size].requires_grad_(), classes[i : i + size])
                for i in range(0, len(images), size)
            ],
        )
    if is_installed("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        few = min(FEW, len(images))
        coarse, guided = GradCAM(twin, [last]), GuidedBackpropReLUModel(twin, "cpu")

        def explain(i):
            cam = coarse(pixels[i : i + 1], [ClassifierOutputTarget(int(classes[i]))])
            return cam[0, :, :, None] * guided(pixels[i : i + 1], int(classes[i]))

        yield Contender(f"pytorch-grad-cam, {ONE}", few, lambda: [explain(i) for i in range(few)])


def torch_twin(network):
    """The same network in torch; its first dense layer takes channels first."""
    import torch

    blocks, shape = [], None
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            kernel, bias = (torch.from_numpy(w) for w in layer.get_weights())
            twin = torch.nn.Conv2d(*kernel.shape[2:], 3, padding=layer.padding)
            twin.weight.data, twin.bias.data = kernel.permute(3, 2, 0, 1).contiguous(), bias
            blocks += [twin, torch.nn.ReLU()]
        elif kind == "MaxPooling2D":
            blocks.append(torch.nn.MaxPool2d(2))
        elif kind == "Flatten":
            blocks.append(torch.nn.Flatten())
            shape = layer.input.shape[1:]
        else:
            kernel, bias = (torch.from_numpy(w) for w in layer.get_weights())
            if shape:
                kernel = kernel.reshape(*shape, -1).permute(2, 0, 1, 3).reshape(kernel.shape)
                shape = None
            twin = torch.nn.Linear(*kernel.shape)
            twin.weight.data, twin.bias.data = kernel.T.contiguous(), bias
            blocks += [twin, torch.nn.ReLU()]
    return torch.nn.Sequential(*blocks[:-1]).eval()


def is_installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        print(f"left out: {name} ({error})", flush=True)
        return False
    return True
