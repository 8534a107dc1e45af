"""How alike two vectors are, and two sets of features. In double precision throughout."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Real = NDArray[np.float64]


def cosine(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return a · b / (|a| |b|); None where one of them is 0."""
    a, b = _flat(first), _flat(second)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / norms, -1.0, 1.0)) if norms > 0 else None


def relative_l2(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return |b - a| / |a|: how far it went, in lengths of the first; None where that is 0."""
    a, b = _flat(first), _flat(second)
    norm = float(np.linalg.norm(a))
    return float(np.linalg.norm(b - a)) / norm if norm > 0 else None


def cka(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return linear CKA (Kornblith et al., 2019) of features of the same images, (N, p), (N, q).

    With X and Y centred over the images: |Y'X|² / (|X'X| |Y'Y|), norms by Frobenius. No rotation
    and no scale of either changes it. None where all images have the same features.
    """
    k, l_ = _gram(first), _gram(second)
    norms = float(np.linalg.norm(k) * np.linalg.norm(l_))
    return float(np.clip((k * l_).sum() / norms, 0.0, 1.0)) if norms > 0 else None


def _gram(features: ArrayLike) -> Real:
    """Return X X', (N, N): of few images it is small, whatever the width of a layer."""
    x = np.asarray(features, np.float64)
    if (x == x[0]).all():
        # Centred, rounding would be left of it.
        return np.zeros((len(x), len(x)))
    x = x - x.mean(0)
    return np.asarray(x @ x.T)


def _flat(values: ArrayLike) -> Real:
    return np.asarray(values, np.float64).ravel()
