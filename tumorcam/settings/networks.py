"""Settings of the networks and of their training."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from tumorcam.errors import ConfigError
from tumorcam.settings.schema import AtLeast, AtMost, Choices, Doc, Items, Unit

MAX_LAYERS = 32  # convolutions, and hidden dense layers


class ConvolutionSettings(NamedTuple):
    """One convolution: its number of filters; its kernel, stride and pooling in pixels."""

    filters: int
    kernel: int
    stride: int
    pool: int


@dataclass(frozen=True)
class ModelSettings:
    """`[model]`: the layers of the network.

    Raises
    ------
    ConfigError
        If `kernel`, `stride` or `pool` has neither one number nor one for each convolution.
    """

    image: Annotated[
        str,
        Doc(
            "The shape in which the network gets the pixels: square, or row for one-dimensional "
            "networks, with all rows of the square image in one row."
        ),
        Choices(("square", "row")),
    ] = "square"
    filters: Annotated[
        tuple[int, ...],
        Doc("The number of filters of each convolution, from the image on."),
        AtLeast(1),
        AtMost(4096),
        Items(MAX_LAYERS),
    ] = (32, 64, 64)
    kernel: Annotated[
        tuple[int, ...],
        Doc(
            "The width of the kernels, and their height on square images; one number for all "
            "convolutions, or one for each."
        ),
        Unit("pixels"),
        AtLeast(1),
        AtMost(1024),
        Items(MAX_LAYERS),
    ] = (3,)
    stride: Annotated[
        tuple[int, ...],
        Doc(
            "The step by which the kernels move over the image; one number for all convolutions, "
            "or one for each."
        ),
        Unit("pixels"),
        AtLeast(1),
        AtMost(1024),
        Items(MAX_LAYERS),
    ] = (1,)
    pool: Annotated[
        tuple[int, ...],
        Doc(
            "The width of the max pooling behind each convolution, and its height on square "
            "images; one number for all convolutions or one for each, and 1 for no pooling."
        ),
        Unit("pixels"),
        AtLeast(1),
        AtMost(1024),
        Items(MAX_LAYERS),
    ] = (2,)
    batch_norm: Annotated[
        bool,
        Doc("If true, a batch normalization stands between each convolution and its ReLU."),
    ] = False
    dense: Annotated[
        tuple[int, ...],
        Doc("The number of units of each hidden dense layer, from the convolutions on."),
        AtLeast(1),
        AtMost(65_536),
        Items(MAX_LAYERS),
    ] = (1024, 512, 64)
    padding: Annotated[
        str,
        Doc(
            "How convolutions and poolings treat the border: same fills it with zeros, valid cuts "
            "it off."
        ),
        Choices(("same", "valid")),
    ] = "same"
    skip: Annotated[
        str,
        Doc(
            "A path from the pixels to the logits beside the convolutions: none, or linear, whose "
            "weights start at 0."
        ),
        Choices(("none", "linear")),
    ] = "none"

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "pool"):
            if len(getattr(self, name)) not in (1, len(self.filters)):
                msg = (
                    f"model.{name} = {list(getattr(self, name))} does not fit model.filters = "
                    f"{list(self.filters)}; wanted one number, or {len(self.filters)}"
                )
                raise ConfigError(msg)

    @property
    def convolutions(self) -> list[ConvolutionSettings]:
        """The settings of each convolution, from the image on."""
        n = len(self.filters)
        kernel, stride, pool = (
            values * n if len(values) == 1 else values
            for values in (self.kernel, self.stride, self.pool)
        )
        columns = zip(self.filters, kernel, stride, pool, strict=True)
        return [ConvolutionSettings(*values) for values in columns]


@dataclass(frozen=True)
class TrainingSettings:
    """`[training]`: how the network learns."""

    epochs: Annotated[
        int,
        Doc("The largest number of passes that the training makes over the training samples."),
        AtLeast(1),
        AtMost(100_000),
    ] = 30
    patience: Annotated[
        int,
        Doc(
            "The training stops, and keeps its best weights, when the validation loss has not "
            "fallen for this many epochs."
        ),
        AtLeast(1),
        AtMost(100_000),
    ] = 15
    batch_size: Annotated[
        int,
        Doc("The number of samples of one training step, over all devices together."),
        Unit("samples"),
        AtLeast(1),
        AtMost(65_536),
    ] = 32
    micro_batch: Annotated[
        int,
        Doc(
            "The number of samples that a device computes at once; with several devices, "
            "training.batch_size must be a multiple of this times the devices."
        ),
        Unit("samples"),
        AtLeast(1),
        AtMost(65_536),
    ] = 16
    learning_rate: Annotated[
        float,
        Doc(
            "The highest learning rate, which is reached after the warm-up and then falls to 0 "
            "along a cosine."
        ),
        AtLeast(0),
        AtMost(10),
    ] = 1e-3
    learning_rate_batch: Annotated[
        int,
        Doc(
            "The batch size that training.learning_rate is meant for, so that the rate grows in "
            "proportion to training.batch_size; 0 leaves the rate as it is."
        ),
        Unit("samples"),
        AtLeast(0),
        AtMost(65_536),
    ] = 0
    warmup_epochs: Annotated[
        float,
        Doc("The length of the warm-up, in which the learning rate rises linearly from 0."),
        Unit("epochs"),
        AtLeast(0),
        AtMost(10_000),
    ] = 2.0
    weight_decay: Annotated[
        float,
        Doc(
            "The weight decay of the optimizer AdamW, which spares biases and batch normalizations."
        ),
        AtLeast(0),
        AtMost(100),
    ] = 0.01
    dropout: Annotated[
        float,
        Doc("The share of the hidden dense units that each training step leaves out at random."),
        AtLeast(0),
        AtMost(0.95),
    ] = 0.0
    path_dropout: Annotated[
        float,
        Doc(
            "With model.skip, the probability with which a training step leaves out the "
            "convolutions for a sample, and as often the skip path, so that each must tell the "
            "tumor alone."
        ),
        AtLeast(0),
        AtMost(0.5),
    ] = 0.3
    input_dropout: Annotated[
        float,
        Doc("The share of the pixels that each training step sets to 0 at random."),
        AtLeast(0),
        AtMost(0.95),
    ] = 0.5
    input_noise: Annotated[
        float,
        Doc("The standard deviation of the normal noise that training adds to each gene."),
        Unit("gene SD"),
        AtLeast(0),
        AtMost(100),
    ] = 0.0
    mixup: Annotated[
        float,
        Doc("The parameter alpha of mixup's Beta distribution; 0 switches mixup off."),
        AtLeast(0),
        AtMost(100),
    ] = 1.0
    label_smoothing: Annotated[
        float,
        Doc("The share of each target that is spread evenly over all tumors."),
        AtLeast(0),
        AtMost(0.9),
    ] = 0.0
    class_weights: Annotated[
        bool,
        Doc(
            "If true, samples of rare tumors count more: the weight is 1 / samples of the tumor, "
            "scaled to a mean of 1."
        ),
    ] = False
    validation: Annotated[
        float,
        Doc("The share of each tumor's training patients that is kept for early stopping."),
        AtLeast(0.02),
        AtMost(0.5),
    ] = 0.1
    precision: Annotated[
        str,
        Doc(
            "In training, layers compute in float32, or in bfloat16 if this is mixed; weights, "
            "logits, loss, sums and all predictions and explanations stay float32, and the loss is "
            "not scaled, as bfloat16 has float32's range."
        ),
        Choices(("float32", "mixed")),
    ] = "float32"
    checkpoint_steps: Annotated[
        int,
        Doc("The number of training steps after which the next checkpoint is due."),
        Unit("steps"),
        AtLeast(1),
        AtMost(1_000_000_000),
    ] = 200
    checkpoint_share: Annotated[
        float,
        Doc(
            "The largest share of the time that writing checkpoints may take, beyond which a due "
            "one is skipped; 0 sets no bound."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.02
    tensorboard: Annotated[
        bool,
        Doc(
            "If true, the training also writes its losses and accuracy as event files of "
            "TensorBoard into logs/tensorboard/ of the run; it changes no result."
        ),
    ] = False
