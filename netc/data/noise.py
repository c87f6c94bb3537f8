"""What a noise_param does to an image, OpenCV's (H, W, 3) or (H, W), uint8.

SSD: im_transforms.cpp.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netc.data.draws import EPOCH, below, draws
from netc.data.fail import Fail
from netc.data.images import decode
from netc.schema import NoiseParameter

POSTERIZED = (np.arange(256) // 64 * 64 + 32).astype(np.uint8)
Words = Callable[[int], np.ndarray]


def _decolorized(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    if image.ndim == 2:
        return image
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def _blurred(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(image, (7, 7), 1.5)


def _of_light(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The image with its luminance changed."""
    import cv2

    if image.ndim == 2:
        return change(image)
    light, *colours = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb))
    return cv2.cvtColor(cv2.merge([change(light), *colours]), cv2.COLOR_YCrCb2BGR)


def _equalized(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    return _of_light(image, cv2.equalizeHist)


def _clahe(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    return _of_light(image, cv2.createCLAHE(clipLimit=4).apply)


def _compressed(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(p.jpeg)])[1]
    return decode("a JPEG", data.tobytes(), cv2.IMREAD_UNCHANGED)


def _eroded(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    return cv2.erode(image, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))


def _salted(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    height, width = image.shape[:2]
    drawn = words(int(p.saltpepper_param.fraction * height * width))
    salted = image.copy()
    value = np.array(p.saltpepper_param.value).clip(0, 255).astype(np.uint8)
    salted[below(drawn[:, 0], height), below(drawn[:, 1], width)] = value
    return salted


def _hsv(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_BGR2HSV)


def _lab(image: np.ndarray, p: NoiseParameter, words: Words) -> np.ndarray:
    import cv2

    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)


NOISES = {  # in the order in which they are done
    "decolorize": _decolorized,
    "gauss_blur": _blurred,
    "hist_eq": _equalized,
    "clahe": _clahe,
    "jpeg": _compressed,
    "erode": _eroded,
    "posterize": lambda image, p, words: POSTERIZED[image],
    "inverse": lambda image, p, words: ~image,
    "saltpepper": _salted,
    "convert_to_hsv": _hsv,
    "convert_to_lab": _lab,
}


def check_noise(p: NoiseParameter, channels: int, fail: Fail) -> None:
    """Calls `fail` where images of this many channels cannot be changed so."""
    asked = [field for field in NOISES if getattr(p, field) > 0]
    for field in asked:
        if channels not in ((3,) if field.startswith("convert") else (1, 3)):
            fail(f"{field} needs images of 3 channels, got {channels}", field)
    values = len(p.saltpepper_param.value)
    if "saltpepper" in asked and values not in (1, channels):
        fail(
            f"Specify either 1 value or as many as channels: {channels} (got {values})",
            "value" if values else "saltpepper",
        )


def noisy(image: np.ndarray, p: NoiseParameter, seed: int, name: str, example: int) -> np.ndarray:
    """The changes that are asked for, in SSD's order; where salt and pepper fall is drawn."""

    def words(count: int) -> np.ndarray:
        return draws(seed, f"{name}/saltpepper", example * EPOCH, count)

    for field, change in NOISES.items():
        if getattr(p, field) > 0:
            image = change(image, p, words)
    return image
