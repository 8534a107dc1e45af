"""How alike the nets of two jobs are, and what names a checkpoint."""

from dataclasses import dataclass

from ftctl.errors import BadInput

WHICH = ("best", "last")
IMAGES, MOST_IMAGES = 128, 1024
"""Of which features are compared: where it is not said, and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointUsed:
    """A checkpoint that was compared."""

    job_id: str
    job_name: str
    which: str
    """`best` or `last`."""
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSimilarity:
    """How alike a layer is in both nets. What cannot be said is None."""

    name: str
    type: str
    """Its class, such as `Conv2d`."""
    parameters: int
    bias_cosine: float | None = None
    """Cosine of the biases, -1 to 1."""
    weight_cosine: float | None = None
    """Cosine of all its other parameters, -1 to 1."""
    relative_l2: float | None = None
    """Length of the difference of its parameters, in lengths of the first's."""
    cka: float | None = None
    """Linear CKA of its outputs on the same images, averaged over positions, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How alike two nets are, layer by layer, in the order of the first."""

    first: CheckpointUsed
    second: CheckpointUsed
    architecture: str
    images: int
    """Of which features were compared; 0: they could not be had, and a notice says why."""
    layers: tuple[LayerSimilarity, ...]
    only_first: tuple[str, ...]
    """Layers that the first has alone."""
    only_second: tuple[str, ...]
    notices: tuple[str, ...]
    png: bytes = b""
    """A picture; empty where it was not asked for."""


def checkpoint(text: str) -> tuple[str, str]:
    """Return job and checkpoint of `JOB`, `JOB/best` or `JOB/last`. Raises BadInput."""
    job, slash, which = text.partition("/")
    if not job or (slash and which not in WHICH):
        raise BadInput(f"`{text}` names no checkpoint; say JOB, JOB/best or JOB/last")
    return job, which or "best"
