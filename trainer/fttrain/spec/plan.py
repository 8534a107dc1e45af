"""The plan: how one recipe is run on one machine, decided before the first step and stored."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from fttrain.spec.images import Preprocess


class Card(BaseModel):
    """A part of a plan. Unknown keys are errors: a plan is read by the version that made it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Means(Card):
    """What a job has to compute with."""

    cpus: int
    device: Literal["cpu", "cuda"] = "cpu"
    accelerator: str = ""
    """The maker's name of the device; empty for a processor."""


class Environment(Card):
    """What a bit-exact repetition must have in common."""

    torch: str
    torchvision: str
    python: str
    cpu_capability: str
    accelerator: str = ""
    pillow: str = ""
    """Decodes and resizes images."""
    timm: str = ""
    """Empty: it is not installed."""


class Split(Card):
    """The images of one split."""

    images: int
    per_class: list[int]


class DataCard(Card):
    """What the data turned out to be."""

    source: str
    classes: list[str]
    train: Split
    val: Split
    test: Split | None = None
    """Locked: read once, at the very end, by the best checkpoint."""
    channels: int
    left_out: list[str]
    """Files that are no images, by path, each named once."""
    bad: dict[str, str] = {}
    """Images that cannot be read, by name, and why: left out."""
    dropped: list[str] = []
    """Images that are left out of a split because the same lies in one that is scored."""
    fingerprint: str
    """SHA-256 over the names, sizes and modification times of all files."""
    split_digest: str = ""
    """SHA-256 over which image, by name, is of which class and in which split."""


class WeightsCard(Card):
    """What the net starts from."""

    source: str
    """As the recipe says it."""
    path: str | None = None
    sha256: str | None = None
    tensors_loaded: int = 0
    tensors_new: list[str] = []
    """Names that keep their random initial value."""
    head: Literal["new", "kept"] = "new"


class PreprocessCard(Card):
    """How an image becomes the net's input, and who says so."""

    steps: Preprocess
    origin: str
    """`recipe`, `weights mobilenet_v2 IMAGENET1K_V1`, `job pretrain`, `digits`."""


class GroupCard(Card):
    """One row of the group table."""

    name: str
    tensors: int
    parameters: int
    lr: float
    weight_decay: float
    names: list[str]
    """The parameters, by name."""
    lr_origin: str = ""
    """How lr came: `0.5 x 128/1024`. Empty: as the recipe says it."""


class ContinuedCard(Card):
    """The ended job that a run goes on from."""

    job: str
    path: str
    """Its last checkpoint."""
    sha256: str
    epochs: int
    """That it has trained."""
    step: int
    schedule: Literal["extended", "stretched", "replaced"]
    """Extended: its rates would have been the same with these epochs. Stretched: they would have
    been others, those of a longer course. Replaced: the recipe states another schedule."""


class Plan(Card):
    """A whole plan."""

    format: Literal[1] = 1
    recipe_digest: str
    environment: Environment
    device: Literal["cpu", "cuda"]
    threads: int
    """Threads of one operator."""
    layout: Literal["contiguous", "channels_last"]
    precision: Literal["fp32", "bf16", "fp16"]
    loader_workers: int
    ema_decay: float | None = None
    """Of the mean of the weights, adjusted where the recipe wants it so; None: there is none."""
    chunk: int
    """Images per pass of the frozen prefix."""
    prefix: list[str]
    """Blocks that run ahead, frozen and in eval mode, in depth order. Empty: none."""
    batch_size: int
    micro_batch: int = 0
    """Images of a batch that are computed at once, where memory ran out before; 0: all of them."""
    accumulate: int
    steps_per_epoch: int
    steps: int
    """Optimizer steps of the whole run."""
    epochs: int
    repeats: int = 1
    """How often all this is done, each time with the next seed."""
    data: DataCard
    preprocess: PreprocessCard
    weights: WeightsCard
    continued: ContinuedCard | None = None
    """None: it begins at the beginning."""
    groups: list[GroupCard]
    class_weights: list[float] = []
    """By class, what the loss multiplies its images by (for bce: where it is the answer). Empty:
    all alike."""
    sampling_weights: list[float] = []
    """By class, how often one of its images is drawn, relative to others. Empty: each once."""
    parameters: int
    parameters_trained: int
    activation_bytes: int
    """What one batch's forward pass keeps for its backward pass."""
    batch_norm_eval: int
    """BatchNorm layers whose statistics stay."""
    batch_norm_train: int
    notices: list[str] = []
