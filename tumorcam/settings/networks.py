"""Settings of the networks and of their training."""

from dataclasses import dataclass
from typing import Annotated

from tumorcam.settings.schema import AtLeast, AtMost, Choices, Doc, Unit


@dataclass(frozen=True)
class ModelSettings:
    """`[model]`: the layers of the network."""

    filters: Annotated[
        tuple[int, ...],
        Doc("The number of filters of each 3 x 3 convolution, from the image on."),
        AtLeast(1),
    ] = (32, 64, 64)
    dense: Annotated[
        tuple[int, ...],
        Doc("The number of units of each hidden dense layer, from the convolutions on."),
        AtLeast(1),
    ] = (1024, 512, 64)
    padding: Annotated[
        str,
        Doc(
            "How convolutions and poolings treat the border: same fills it with zeros, valid cuts "
            "it off."
        ),
        Choices(("same", "valid")),
    ] = "same"


@dataclass(frozen=True)
class TrainingSettings:
    """`[training]`: how the network learns."""

    epochs: Annotated[
        int,
        Doc("The largest number of passes that the training makes over the training samples."),
        AtLeast(1),
    ] = 30
    patience: Annotated[
        int,
        Doc(
            "The training stops, and keeps its best weights, when the validation loss has not "
            "fallen for this many epochs."
        ),
        AtLeast(1),
    ] = 15
    batch_size: Annotated[
        int,
        Doc("The number of samples of one training step, over all devices together."),
        Unit("samples"),
        AtLeast(1),
    ] = 32
    micro_batch: Annotated[
        int,
        Doc(
            "The number of samples that a device computes at once; with several devices, "
            "training.batch_size must be a multiple of this times the devices."
        ),
        Unit("samples"),
        AtLeast(1),
    ] = 16
    learning_rate: Annotated[
        float,
        Doc(
            "The highest learning rate, which is reached after the warm-up and then falls to 0 "
            "along a cosine."
        ),
        AtLeast(0),
    ] = 1e-3
    learning_rate_batch: Annotated[
        int,
        Doc(
            "The batch size that training.learning_rate is meant for, so that the rate grows in "
            "proportion to training.batch_size; 0 leaves the rate as it is."
        ),
        Unit("samples"),
        AtLeast(0),
    ] = 0
    warmup_epochs: Annotated[
        float,
        Doc("The length of the warm-up, in which the learning rate rises linearly from 0."),
        Unit("epochs"),
        AtLeast(0),
    ] = 2.0
    weight_decay: Annotated[
        float,
        Doc("The weight decay of the optimizer AdamW, which spares the biases."),
        AtLeast(0),
    ] = 0.01
    dropout: Annotated[
        float,
        Doc("The share of the hidden dense units that each training step leaves out at random."),
        AtLeast(0),
        AtMost(0.95),
    ] = 0.0
    input_dropout: Annotated[
        float,
        Doc("The share of the pixels that each training step sets to 0 at random."),
        AtLeast(0),
        AtMost(0.95),
    ] = 0.0
    input_noise: Annotated[
        float,
        Doc("The standard deviation of the normal noise that training adds to each gene."),
        Unit("gene SD"),
        AtLeast(0),
    ] = 0.0
    mixup: Annotated[
        float,
        Doc("The parameter alpha of mixup's Beta distribution; 0 switches mixup off."),
        AtLeast(0),
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
    checkpoint_steps: Annotated[
        int,
        Doc("The number of training steps after which the next checkpoint is due."),
        Unit("steps"),
        AtLeast(1),
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
