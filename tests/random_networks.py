"""Random small Keras networks of all kinds of layers that tumorcam explains."""

import keras
import numpy as np

layers = keras.layers
MIN_CELLS = 4  # along an axis, for a layer that makes an image smaller


def random_network(rng: np.random.Generator, n_axes: int = 2) -> keras.Model:
    """A functional network from an image, or a row of it, to three logits."""
    shape = (*rng.integers(7, 10, n_axes), rng.integers(1, 3))
    image = value = keras.Input(tuple(map(int, shape)))
    value = convolution(rng, value, n_axes)
    for _ in range(rng.integers(1, 4)):
        block = BLOCKS[rng.integers(len(BLOCKS))]
        value = block(rng, value, n_axes)
    ends = [
        layers.Flatten(),
        named("GlobalAveragePooling", n_axes)(),
        named("GlobalMaxPooling", n_axes)(),
    ]
    value = ends[rng.integers(3)](value)
    for units in rng.integers(2, 6, rng.integers(0, 3)):
        value = layers.Dense(int(units), activation=ACTIVATIONS[rng.integers(4)])(value)
    activation = "softmax" if rng.random() < 0.5 else None
    network = keras.Model(image, layers.Dense(3, activation=activation)(value))
    for layer in network.layers:
        arrays = [rng.normal(0, 0.7, array.shape) for array in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            arrays[-1] = rng.uniform(0.5, 2, arrays[-1].shape)  # the variance
        layer.set_weights(arrays)
    return network


ACTIVATIONS = ["relu", "relu6", "leaky_relu", None]


def named(kind: str, n_axes: int):
    return getattr(layers, f"{kind}{n_axes}D")


def is_large(value) -> bool:
    return min(value.shape[1:-1]) >= MIN_CELLS


def convolution(rng, value, n_axes, **options):
    strided = rng.random() < 0.3 and is_large(value)
    groups = 2 if value.shape[-1] % 2 == 0 and rng.random() < 0.3 else 1
    settings = {
        "filters": int(2 * rng.integers(1, 3)),
        "kernel_size": int(rng.integers(1, 4)) if is_large(value) else 1,
        "strides": 2 if strided else 1,
        "padding": ["same", "valid"][rng.integers(2)],
        "dilation_rate": 2
        if not strided and min(value.shape[1:-1]) >= 6 and rng.random() < 0.3
        else 1,
        "groups": groups,
        "use_bias": rng.random() < 0.8,
        "activation": ACTIVATIONS[rng.integers(4)],
    }
    return named("Conv", n_axes)(**settings | options)(value)


def normalised(rng, value, n_axes):
    value = convolution(rng, value, n_axes, activation=None)
    value = layers.BatchNormalization(scale=rng.random() < 0.7, center=rng.random() < 0.7)(value)
    kinds = [layers.ReLU(), layers.ReLU(6.0), layers.LeakyReLU(0.1), layers.Activation("relu")]
    return layers.Dropout(0.5)(kinds[rng.integers(4)](value))


def pooling(rng, value, n_axes):
    if not is_large(value):
        return convolution(rng, value, n_axes)
    kind = ["MaxPooling", "AveragePooling"][rng.integers(2)]
    settings = {"padding": ["same", "valid"][rng.integers(2)], "strides": int(rng.integers(1, 4))}
    return named(kind, n_axes)(int(rng.integers(2, 4)), **settings)(value)


def pooled(rng, value, n_axes):
    value = convolution(rng, value, n_axes, activation="relu")
    if not is_large(value):
        return value
    return named("MaxPooling", n_axes)(2, padding=["same", "valid"][rng.integers(2)])(value)


def padded(rng, value, n_axes):
    around = [(int(a), int(b)) for a, b in rng.integers(0, 3, (n_axes, 2))]
    return named("ZeroPadding", n_axes)(around if n_axes == 2 else around[0])(value)


def residual(rng, value, n_axes):
    options = {"filters": value.shape[-1], "strides": 1, "padding": "same", "groups": 1}
    branch = convolution(rng, value, n_axes, **options)
    return layers.ReLU()(layers.Add()([value, branch]))


def side_by_side(rng, value, n_axes):
    options = {"strides": 1, "padding": "same"}
    branches = [convolution(rng, value, n_axes, **options) for _ in range(2)]
    return layers.Concatenate()([value, *branches])


BLOCKS = [convolution, normalised, pooling, pooled, padded, residual, side_by_side]


def distance(maps, expected) -> float:
    """Norm of the difference relative to the expected values', or absolute if those are zero."""
    gap, size = np.linalg.norm(maps - expected), np.linalg.norm(expected)
    return gap / size if size > 0 else gap


def fill(network, draw):
    """Set every weight array to what `draw` gives for its shape."""
    network.set_weights([draw(array.shape) for array in network.get_weights()])
    return network


def relu_network(
    rows, columns, *, filters=(3, 4), dense=(5,), padding="same", kernel=3, pool=2, n_classes=3
):
    blocks = [keras.Input((rows, columns, 1))]
    for n_filters in filters:
        blocks += [
            layers.Conv2D(n_filters, kernel, padding=padding, activation="relu"),
            layers.MaxPooling2D(pool, padding=padding),
        ]
    blocks += [layers.Flatten(), *(layers.Dense(n, activation="relu") for n in dense)]
    return keras.Sequential([*blocks, layers.Dense(n_classes)])
