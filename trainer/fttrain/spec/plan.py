"""The plan: how one recipe is run on one machine, decided before the first step and stored."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from fttrain.spec.images import Preprocess

PrecisionName = Literal["fp32", "bf16", "fp16"]
TriedPrecision = Literal["fp32", "bf16"]
LayoutName = Literal["contiguous", "channels_last"]


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


class FeaturesCard(Card):
    """What the frozen blocks that run ahead make of images: made once and kept, or each time."""

    views: int
    """In so many ways an image is seen, each of which is kept; 0: nothing is."""
    bytes_per_view: int
    """What one takes in fp32; half of that in bf16 and fp16."""
    why: str = ""
    """Why nothing is kept."""


class PicturesCard(Card):
    """Images after what is done to all of them alike: decoded, resized and cropped."""

    is_kept: bool
    """True if that is done once; else it is done each time."""
    bytes_per_image: int
    why: str = ""
    """Why nothing is kept; empty, too, where images are in memory as it is."""
    is_batched: bool = False
    """True if random changes are made to whole batches, which needs no loader processes."""


class TrialCard(Card):
    """How fast a net was in one kind of numbers and one layout: seconds of one thread per image."""

    precision: TriedPrecision
    layout: LayoutName
    ahead_s: float
    """A forward pass of the blocks that run ahead."""
    step_s: float
    """A training step of all others."""
    rest_s: float
    """A forward pass of all others."""


class SpeedCard(Card):
    """Why precision and layout are what they are, where the recipe leaves them open."""

    why: str
    """For people: `bf16: 2.1 times as fast here as fp32`."""
    processor: str = ""
    """By its maker's name. Empty: nothing was tried."""
    gain: float = 1.0
    """So many times as fast, over the job, as fp32 in the usual layout."""
    trials: list[TrialCard] = []
    """That of fp32 in the usual layout first."""


class StageCard(Card):
    """One stage of several: what it decides, and where it lies in the run."""

    epochs: int
    """0: `max_steps` ends the run before it."""
    first_epoch: int
    """Number of its first epoch, from 1, within one repeat."""
    steps: int
    first_step: int
    """Number of its first step, from 1, within one repeat."""
    steps_per_epoch: int
    prefix: list[str]
    groups: list[GroupCard]
    parameters_trained: int
    activation_bytes: int
    batch_norm_eval: int
    batch_norm_train: int
    optimizer_state: Literal["reset", "keep"]
    is_light: bool = False
    features: FeaturesCard | None = None
    pictures: PicturesCard | None = None
    """None: made by a version that kept none."""


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


class ConsistencyRow(Card):
    """A setting: how the weights were trained beside how this recipe trains."""

    name: str
    weights: str
    """`not stated` where no source says it."""
    recipe: str
    verdict: Literal["same", "different", "not stated"]


class ConsistencyCard(Card):
    """How the weights were trained, beside this recipe."""

    origin: str
    """`weights resnet18 IMAGENET1K_V1`, `job pretrain`."""
    facts: list[str] = []
    """What else is known of them: where they came from, how they score."""
    sources: list[str] = []
    """The pages that say how they were trained. Empty for a job: its file says it."""
    rows: list[ConsistencyRow]


class RateCurve(Card):
    """How one learning rate goes."""

    group: str
    """The first group that has it."""
    lr: list[float]
    """At the steps of the preview."""


class RatePreview(Card):
    """How the learning rates of a stage go, looked up at some of its steps."""

    steps: list[int]
    """Of the whole run, from 0, rising; the first and the last of the stage are among them."""
    curves: list[RateCurve]
    """One for each rate that groups have, at most 8 of them."""


class Plan(Card):
    """A whole plan.

    With stages, what each of them decides is in `stages`; beside it stands what holds for all:
    blocks that are ahead in each, the rows of all groups, the parameters that any of them trains,
    the most steps of an epoch, of activations and of BatchNorm layers that move.
    """

    format: Literal[1] = 1
    recipe_digest: str
    environment: Environment
    device: Literal["cpu", "cuda"]
    threads: int
    """Threads of one operator."""
    layout: LayoutName
    precision: PrecisionName
    speed: SpeedCard | None = None
    """None: the recipe says which precision."""
    loader_workers: int
    ema_decay: float | None = None
    """Of the mean of the weights, adjusted where the recipe wants it so; None: there is none."""
    chunk: int
    """Images per pass of the frozen prefix."""
    prefix: list[str]
    """Blocks that run ahead, frozen and in eval mode, in depth order. Empty: none."""
    features: FeaturesCard | None = None
    """None: no block runs ahead, or there are stages."""
    pictures: PicturesCard | None = None
    """None: there are stages, or it was made by a version that kept none."""
    is_light: bool = False
    """True if a step computes so little that a second thread would cost more than it gains: it
    takes one, and on a processor fp32 where the recipe leaves that open. With stages each says it
    of itself."""
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
    consistency: ConsistencyCard | None = None
    """None: it starts from no weights, or from a file that does not say how it was made."""
    continued: ContinuedCard | None = None
    """None: it begins at the beginning."""
    rates: list[RatePreview] = []
    """One for each stage."""
    groups: list[GroupCard]
    stages: list[StageCard] = []
    """Empty: there is but one, and the plan is its."""
    class_weights: list[float] = []
    """By class, what the loss multiplies its images by (for bce: where it is the answer). Empty:
    all alike."""
    sampling_weights: list[float] = []
    """By class, how often one of its images is drawn, relative to others. Empty: each once."""
    parameters: int
    parameters_trained: int
    macs: int | None = None
    """Multiply-accumulates of one image's forward pass at the size of evaluation: those of
    convolutions and matrix products, torch's FlopCounterMode halved. Biases, norms, activations
    and pooling do not count. None: made by a version that did not count them."""
    activation_bytes: int
    """What one batch's forward pass keeps for its backward pass."""
    batch_norm_eval: int
    """BatchNorm layers whose statistics stay."""
    batch_norm_train: int
    notices: list[str] = []
