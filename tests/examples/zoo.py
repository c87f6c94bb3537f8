"""The well-known nets among the examples: what goes in, and how many numbers they learn."""

from __future__ import annotations

from typing import NamedTuple

from netc.opening import Shapes

BATCH = 8


class Zoo(NamedTuple):
    """shapes: of what the data layers give; small: the same for a step, where that is less.

    learnt: numbers that training moves or could. deployed: those of deploy.prototxt, where it has
    fewer. slow: whether to compile a step takes long.
    """

    learnt: int
    shapes: Shapes
    small: Shapes | None = None
    deployed: int | None = None
    slow: bool = False


def images(side: int, batch: int = BATCH, channels: int = 3) -> Shapes:
    return {"data": (batch, channels, side, side)}


def pixels(height: int, width: int) -> Shapes:
    return {"data": (1, 3, height, width), "label": (1, 1, height, width)}


def captions(steps: int, streams: int) -> Shapes:
    words = ("cont_sentence", "input_sentence", "target_sentence")
    return dict.fromkeys(words, (steps, streams)) | {"fc8": (streams, 1000)}


ZOO = {
    "lenet": Zoo(431_080, images(28, channels=1)),
    "cifar10_quick": Zoo(145_578, images(32)),
    "cifar10_full": Zoo(89_578, images(32)),
    "caffenet": Zoo(60_965_224, images(227), images(67, 1)),
    "alexnet": Zoo(60_965_224, images(227), images(67, 1)),
    "googlenet": Zoo(13_378_280, images(224), images(224, 1), deployed=6_998_552, slow=True),
    "vgg16": Zoo(138_357_544, images(224), images(32, 1), slow=True),
    "resnet50": Zoo(25_557_096, images(224), images(224, 1), slow=True),
    "squeezenet": Zoo(1_248_424, images(227), images(67, 1), slow=True),
    "mobilenet": Zoo(4_231_976, images(224), images(32, 1), slow=True),
    "fcn": Zoo(134_369_567, pixels(500, 334), pixels(16, 16), slow=True),
    "siamese": Zoo(431_102, {"pair_data": (BATCH, 2, 28, 28)}),
    "autoencoder": Zoo(2_837_314, images(28, channels=1)),
    "captioner": Zoo(37_618_801, captions(20, 100), captions(2, 3)),
}
