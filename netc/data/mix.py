"""Images of a batch mixed in pairs, and their labels with them.

mixup: H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. cutmix: S. Yun et al.,
"CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.
"""

from __future__ import annotations

import numpy as np

from netc.data.augment import span
from netc.data.draws import draws, uniform
from netc.data.fail import Fail
from netc.errors import DataError
from netc.schema import AugmentParameter

MOST = 1000.0


class Mix:
    """x' = a x + (1 - a) x_partner with a ~ Beta(alpha, alpha), for each example and its label.

    Partners are a permutation of the batch. cutmix puts a rectangle of the partner in, and `a` is
    the share of the area that is left. Where both are on, half of the examples go each way.
    """

    def __init__(self, param: AugmentParameter, seed: int, name: str, fail: Fail) -> None:
        self._alphas = {f: getattr(param, f) for f in ("mixup", "cutmix") if getattr(param, f)}
        self._name, self._seed, self.classes = f"{name}/mix", seed, param.classes
        for field, alpha in self._alphas.items():
            if not 0 < alpha <= MOST:
                fail(f"{field} must be in 0 to {MOST:g}, got {alpha:g}", field)
            if self.classes < 2:
                fail(f"{field} needs the number of classes, got {self.classes}", field)

    def __bool__(self) -> bool:
        return bool(self._alphas)

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images float32 (N, C, h, w) and labels (N,) to images and label rows (N, classes).

        Labels of more axes are mixed as they are, and nothing is where mixing is off. Raises
        DataError for a label of no class.
        """
        if not self:
            return images, labels
        count = len(images)
        words = draws(self._seed, self._name, first, count)
        places = uniform(draws(self._seed, f"{self._name}/place", first, count))
        partner = np.argsort(words[:, 0], kind="stable")
        mixed, kept = np.empty_like(images), np.empty(count)
        for i, other in enumerate(partner):
            way = list(self._alphas)[int(words[i, 1] >> np.uint64(63)) % len(self._alphas)]
            kept[i] = _beta(self._alphas[way], places[i, 2])
            if way == "mixup":
                mixed[i] = kept[i] * images[i] + (1 - kept[i]) * images[other]
            else:
                height, width = images.shape[2:]
                side = np.sqrt(1 - kept[i])
                rows = span(places[i, 0], side * height, height)
                columns = span(places[i, 1], side * width, width)
                mixed[i] = images[i]
                mixed[i, :, rows, columns] = images[other, :, rows, columns]
                kept[i] = 1 - mixed[i, 0, rows, columns].size / (height * width)
        told = self._one_hot(labels, first) if labels.ndim == 1 else labels
        share = kept.reshape(-1, *(1,) * (told.ndim - 1))
        return mixed, (share * told + (1 - share) * told[partner]).astype(np.float32)

    def _one_hot(self, labels: np.ndarray, first: int) -> np.ndarray:
        wrong = np.flatnonzero((labels < 0) | (labels >= self.classes))
        if wrong.size:
            at = int(wrong[0])
            raise DataError(
                f"label {labels[at]:g} of example {first + at} is outside the classes "
                f"0..{self.classes - 1} of augment",
                hint="classes must be the largest label + 1",
            )
        return np.eye(self.classes)[labels.astype(int)]


def _beta(alpha: float, u: float) -> float:
    """The value below which Beta(alpha, alpha) lies with probability u."""
    from scipy.special import betaincinv

    return float(betaincinv(alpha, alpha, u))
