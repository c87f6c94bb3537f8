"""The flags of commands that run a net on images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from netc.cli.common import flag, load_plugins, plugin_flag, rules, start_jax
from netc.errors import UsageError

if TYPE_CHECKING:
    from netc.predict.opened import Model


def image_flags(parser: argparse.ArgumentParser, batch: int) -> None:
    """The images, the net, its weights, and what its inputs are made with."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="an image, a folder or a list")
    flag(parser, "model", "the net's deploy prototxt", required=True)
    flag(parser, "weights", "the file of weights", required=True)
    flag(parser, "batch", f"images at once (default: {batch})", type=int, default=batch)
    parser.add_argument(
        "--transform", metavar="NET", help="a net whose data layer's transform to take"
    )
    flag(parser, "mean_file", "a mean image, .binaryproto or .npy, or values such as 104,117,123")
    flag(parser, "raw_scale", "what pixels are multiplied with before the mean", type=float)
    flag(parser, "input_scale", "what they are multiplied with after the mean", type=float)
    flag(parser, "channel_swap", "the net's channels as those of the image, such as 2,1,0")
    plugin_flag(parser)


def model_of(args: argparse.Namespace) -> Model:
    """What the flags say, with the device chosen. Raises UsageError."""
    from netc.train.log import to_stderr

    to_stderr()
    platform = start_jax(args.gpu)
    load_plugins(args)

    from netc.lowering.plan import Plan, parse_overrides
    from netc.predict.opened import Model
    from netc.predict.preprocess import Options

    size = whole_numbers("images_dim", args.images_dim)
    if size and len(size) != 2:
        raise UsageError(f"--images_dim takes HEIGHT,WIDTH, got {args.images_dim}")
    options = Options(
        args.style,
        args.mean_file,
        args.raw_scale,
        args.input_scale,
        whole_numbers("channel_swap", args.channel_swap),
        (size[0], size[1]) if size else None,
        args.ten_crops,
    )
    plan = Plan(platform, parse_overrides(args.lowering))
    return Model(args.model, args.weights, plan, args.batch, rules(args), options, args.transform)


def whole_numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    """Numbers between commas, None where the flag is not given. Raises UsageError."""
    if text is None:
        return None
    words = text.split(",")
    if not all(word.strip().isdigit() for word in words):
        raise UsageError(f"--{name} takes whole numbers between commas, not '{text}'")
    return tuple(map(int, words))
