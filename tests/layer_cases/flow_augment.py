"""Rows of the layers that augment images and flow, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np

from netc.schema import AugmentationCoeff

from ..cases import LayerCase, positive

FIELDS = AugmentationCoeff.DESCRIPTOR.fields


def coefficients(*images, **more):
    """(N, 42, 1, 1) of images with these absolute values by name."""
    rows = []
    for image in images:
        values = {f.name: {**image, **more}.get(f.name, f.default_value) for f in FIELDS}
        rows.append(
            [
                math.log(v) if f.default_value else v
                for f, v in zip(FIELDS, values.values(), strict=True)
            ]
        )
    return np.array(rows)[..., None, None]


def by_name(relative):
    pairs = zip(FIELDS, relative.ravel(), strict=True)
    return {f.name: math.exp(v) if f.default_value else v for f, v in pairs}


def matrix(c, size, whole):
    """Homogeneous: from a pixel (x, y, 1) of the moved image to one of the image before."""
    sign = -1 if c["mirror"] else 1
    centred = [[sign, 0, -sign * size[1] / 2], [0, 1, -size[0] / 2], [0, 0, 1]]
    cos, sin = math.cos(c["angle"]), math.sin(c["angle"])
    turned = [[cos, -sin, c["dx"] * size[1]], [sin, cos, c["dy"] * size[0]], [0, 0, 1]]
    zoomed = [[1 / c["zoom_x"], 0, whole[1] / 2], [0, 1 / c["zoom_y"], whole[0] / 2], [0, 0, 1]]
    return np.array(zoomed) @ np.array(turned) @ np.array(centred)


def moved(x, relative, size):
    whole, y = x.shape[2:], np.zeros((*x.shape[:2], *size))
    for n, i, j in np.ndindex(len(x), *size):
        at = matrix(by_name(relative[n]), size, whole) @ [j, i, 1]
        right, down = (
            min(max(v, 0), m - 1.05) if m > 1 else 0 for v, m in zip(at, whole[::-1], strict=False)
        )
        for k, m in np.ndindex(*whole):
            y[n, :, i, j] += max(0, 1 - abs(k - down)) * max(0, 1 - abs(m - right)) * x[n, :, k, m]
    return y


def contrasted(x, relative, most):
    y = np.zeros_like(x)
    for n, i, j in np.ndindex(len(x), *x.shape[2:]):
        c, before = by_name(relative[n]), x[n, :, i, j]
        after = before * [c["color1"], c["color2"], c["color3"]]
        value = np.clip(after * before.sum() / (after.sum() + 0.01), 0, 1) ** c["gamma"]
        value = 0.5 + (value + c["brightness"] - 0.5) * c["contrast"]
        y[n, :, i, j] = np.clip(value, 0, most)
    return y


def shadowed(x, relative, most):
    y = np.zeros_like(x)
    for n, i, j in np.ndindex(len(x), *x.shape[2:]):
        c = by_name(relative[n])
        along = (j - x.shape[3] // 2) * math.cos(c["shadow_angle"])
        along += (i - x.shape[2] // 2) * math.sin(c["shadow_angle"])
        dark = c["shadow_strength"] if along > c["shadow_distance"] else 0
        y[n, :, i, j] = np.clip(x[n, :, i, j] - dark, 0, most)
    return y


def by_axes(x, whole, relative, axes, most):
    """All ranges here are above the least."""
    own = np.einsum("ek,nkhw->nehw", axes, whole)
    reach, mean = abs(own).max((0, 2, 3)), whole.mean((0, 2, 3))
    y = np.zeros_like(x)
    for n, i, j in np.ndindex(len(x), *x.shape[2:]):
        c = by_name(relative[n])
        e = axes @ (x[n, :, i, j] - mean) / reach
        for k in range(3):
            e[k] = np.sign(e[k]) * abs(e[k]) ** c[f"pow_nomean{k}"]
            e[k] = (e[k] + c[f"add_nomean{k}"]) * c[f"mult_nomean{k}"]
        e += axes @ mean / reach
        e[0] = np.sign(e[0]) * abs(e[0]) ** c["pow_withmean0"]
        s = math.hypot(e[1], e[2])
        more = max(s ** c["pow_withmean1"] + c["add_withmean1"], 0) * c["mult_withmean1"]
        cos, sin = math.cos(c["col_angle"]), math.sin(c["col_angle"])
        e[1:] = cos * e[1] - sin * e[2], sin * e[1] + cos * e[2]
        e *= reach
        longest = np.linalg.norm(reach)
        length = np.linalg.norm(e) / longest
        e[1:] *= more / s
        wanted = max(length ** c["lmult_pow"] + c["lmult_add"], 0) * c["lmult_mult"] * longest
        e = np.minimum(e / np.linalg.norm(e) * wanted, reach)
        y[n, :, i, j] = np.clip(axes.T @ e, 0, most)
    return y


def moved_flow(flow, first, second, size):
    whole, y = flow.shape[2:], np.zeros((len(flow), 2, *size))
    for n, i, j in np.ndindex(len(flow), *size):
        x1, y1, _ = matrix(by_name(first[n]), size, whole) @ [j, i, 1]
        row, column = (
            min(max(math.floor(v + 0.5), 0), m - 1) for v, m in zip((y1, x1), whole, strict=True)
        )
        u, v = flow[n, :, row, column]
        back = np.linalg.inv(matrix(by_name(second[n]), size, whole))
        y[n, :, i, j] = (back @ [x1 + u, y1 + v, 1])[:2] - [j, i]
    return y


def less_mean(x):
    return x - x.mean((0, 2, 3), keepdims=True)


STILL = coefficients({}, {})
TURNED = {"mirror": 1, "angle": 0.3, "dx": 0.1, "dy": -0.05, "zoom_x": 1.3, "zoom_y": 0.9}
LEFT = {"dx": -0.2, "zoom_x": 1.1, "zoom_y": 1.2}
MOVED = coefficients(TURNED, LEFT)
VIVID = coefficients(
    {"gamma": 1.5, "brightness": 0.1, "contrast": 0.8, "color1": 1.2, "color3": 0.7}, LEFT
)
DARK = coefficients({"shadow_angle": 0.7, "shadow_distance": 0.5, "shadow_strength": 0.3}, {})
BENT = coefficients(
    {"pow_nomean0": 1.2, "pow_nomean2": 0.8, "add_nomean1": 0.1, "mult_nomean0": 0.9,
     "pow_withmean1": 1.1, "add_withmean1": 0.05, "mult_withmean1": 1.2, "col_angle": 0.4},
    {"lmult_pow": 0.9, "lmult_add": 0.1, "lmult_mult": 1.1, "pow_withmean0": 1.3},
)  # fmt: skip
AXES = np.float32([[0.51, 0.56, 0.65], [0.79, 0.01, -0.62], [0.35, -0.83, 0.44]]).astype(float)
AXES_GIVEN = " ".join(f"chromatic_eigvec: {v:.9g}" for v in AXES.ravel())
IMAGES = positive(2, 3, 5, 6) / 2
CROP = "crop_height: 3 crop_width: 4"

# fmt: off
IMAGE_CASES = [
    LayerCase("DataAugmentation", f"augmentation_param {{ {fields} }}", bottoms, tops, want,
        smooth=(), indices=(1,), phases=phases)
    for fields, bottoms, tops, want, phases in (
        ("", [(2, 4, 3, 5)], [(2, 4, 3, 5)], lambda x: x, ("TRAIN", "TEST")),
        ("mean: 0.5 mean: 0.25 mean: -1 mean_per_pixel: false", [(2, 3, 3, 5)], [(2, 3, 3, 5)],
            lambda x: x - np.array([0.5, 0.25, -1])[:, None, None], ("TRAIN", "TEST")),
        ("recompute_mean: 10", [(2, 3, 3, 5)], [(2, 3, 3, 5)], lambda x: x - x.mean(0),
            ("TRAIN", "TEST")),
        (f"recompute_mean: 10 mean_per_pixel: false {CROP}", [(2, 1, 5, 7)], [(2, 1, 3, 4)],
            lambda x: less_mean(moved(x, STILL, (3, 4))), ("TRAIN", "TEST")),
        (CROP, [(2, 3, 3, 5)], [(2, 3, 3, 4), (2, 42, 1, 1)],
            lambda x: (moved(x, STILL, (3, 4)), np.zeros((2, 42, 1, 1))),
            ("TRAIN", "TEST")),
        (f"{CROP} rotate {{ spread: 0.1 }} gamma {{ spread: 0.1 exp: true }}", [IMAGES],
            [(2, 3, 3, 4), (2, 42, 1, 1)],
            lambda x: (moved(x, STILL, (3, 4)), np.zeros((2, 42, 1, 1))), ("TEST",)),
        (CROP, [(2, 2, 5, 6), MOVED], [(2, 2, 3, 4)], lambda x, c: moved(x, c, (3, 4)),
            ("TRAIN", "TEST")),
        (f"{CROP} max_multiplier: 1", [IMAGES, VIVID], [(2, 3, 3, 4), (2, 42, 1, 1)],
            lambda x, c: (contrasted(moved(x, c, (3, 4)), c, 1), c), ("TEST",)),
        (f"{CROP} max_multiplier: 0.9", [IMAGES, DARK], [(2, 3, 3, 4)],
            lambda x, c: shadowed(moved(x, c, (3, 4)), c, 0.9), ("TEST",)),
        (f"{CROP} max_multiplier: 1 {AXES_GIVEN}", [IMAGES, BENT], [(2, 3, 3, 4)],
            lambda x, c: by_axes(moved(x, c, (3, 4)), x, c, AXES, 1), ("TEST",)),
    )
]

DRAWN = "rotate { spread: 0.1 } gamma { spread: 0.1 exp: true }"

OTHERS = [
    LayerCase("GenerateAugmentationParameters", f"augmentation_param {{ {fields} }}", bottoms,
        [(2, 42, 1, 1)], want, smooth=(), indices=(0,), phases=phases)
    for fields, bottoms, want, phases in (
        (f"{CROP} {DRAWN}", [(2, 3, 5, 6)], None, ("TRAIN",)),
        (f"{CROP} {DRAWN}", [(2, 3, 5, 6)], lambda x: np.zeros((2, 42, 1, 1)), ("TEST",)),
        (f"{CROP} bottomwidth: 6 bottomheight: 5", [MOVED], lambda c: c, ("TRAIN", "TEST")),
        (f"{CROP} bottomwidth: 6 bottomheight: 5 mode: 'regenerate'", [MOVED],
            lambda c: np.zeros_like(c), ("TRAIN", "TEST")),
        (DRAWN, [MOVED, (2, 3, 5, 6), (2, 3, 3, 4)], lambda c, *_: c, ("TEST",)),
    )
] + [
    LayerCase("FlowAugmentation", f"augmentation_param {{ {CROP} }}",
        [(2, 2, 5, 6), MOVED, MOVED[::-1].copy()], [(2, 2, 3, 4)],
        lambda flow, a, b: moved_flow(flow, a, b, (3, 4)), smooth=()),
] + [
    LayerCase("BlackAugmentation", f"black_augmentation_param {{ {fields} }}",
        [(2, 3, 4, 5), (2, 2, 4, 5), (2, 3, 4, 5)], [(2, 3, 4, 5), (2, 2, 4, 5), (2, 3, 4, 5)],
        want, smooth=())
    for fields, want in (
        ("", lambda *xs: xs),
        ("black { rand_type: 'bernoulli' prob: 1 }", lambda a, flow, b: (b, 0 * flow, b)),
        ("border { mean: 0.5 }", None),
    )
]
# fmt: on

CASES = [*IMAGE_CASES, *OTHERS]
