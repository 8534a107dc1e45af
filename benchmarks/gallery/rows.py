"""What the gallery has a line for: every row of three reports, as they told it.

What a report's code did is told from reading it; where that code was not to be had, from the
report's own text.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a report."""

    item: str
    """What the report calls it."""
    file: str
    """Below examples/gallery."""
    said: str
    did: str
    """What its code did, or its text made of it; empty: what it says."""
    runs: tuple[str, ...] = ()
    """What we ran of it; a photo set each, none twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A report, or a part of one."""

    title: str
    about: str
    """What it is, and what stands in its place here."""
    rows: tuple[Row, ...]
    baseline: str
    """The row that all others are held against."""
    sets: tuple[str, ...]
    """The photos that its rows were run on."""


_INSECTS = ("ants-bees",)
S2 = Study(
    title="S2: transfer learning on ants and bees",
    about="""\
Eight runs of ResNet-18 and ResNet-50 on the photos of PyTorch's tutorial; the files bear the
report's own run names. Its logs were lost half-way and half of the runs made again, with other
figures. It judged by the best of 25 epochs on 153 photos: 0.9085 to 0.9608 are 139 to 147 of them.

Run here with **MobileNetV2 in ResNet-18's place**, whose weights were at hand, on the report's own
photos at 160 pixels, all 25 epochs. `freezed-resnet50` was not run: its weights were not here.""",
    baseline="pretrained-resnet",
    sets=_INSECTS,
    rows=(
        Row(
            item="E0, no augmentation",
            file="s2/pretrained_resnet-no-augm.yaml",
            said="0.9412 (144), 3m 56s",
            did="",
            runs=("pretrained-resnet-no-augm",),
        ),
        Row(
            item="E1, the baseline",
            file="s2/pretrained-resnet.yaml",
            said="0.9412 (144), 3m 04s",
            did="Run twice with other figures: the plots of E2 to E4 show another E1 than its own.",
            runs=("pretrained-resnet",),
        ),
        Row(
            item="E2, no decay of the rate",
            file="s2/pretrained-resnet_no_lr_decay.yaml",
            said="0.9412 (144), 3m 13s, “much poorer”",
            did="The same 144 photos as E1: poorer are the last epochs, not the best one.",
            runs=("pretrained-resnet-no-lr-decay",),
        ),
        Row(
            item="E3, more augmentation",
            file="s2/pretrained-resnet-more-augm.yaml",
            said="0.9150 (140), 3m 42s, “4 % lower”",
            did="Two things changed: mirroring went as others came. 4 photos fewer are 2.6 points.",
            runs=("pretrained-resnet-more-augm",),
        ),
        Row(
            item="E4, other augmentation",
            file="s2/pretrained-resnet-augm-2.yaml",
            said="0.9085 (139), 3m 26s",
            did="Called the lowest so far, by one photo.",
            runs=("pretrained-resnet-augm-2",),
        ),
        Row(
            item="E5, frozen but the head",
            file="s2/freezed-resnet.yaml",
            said="0.9542 (146), 2m 46s",
            did="The tutorial's loop, which it took, has frozen BatchNorm in training mode, where "
            "statistics move. The 27 s saved are against E2; against E1, its baseline, 18 s.",
            runs=("freezed-resnet",),
        ),
        Row(
            item="E6, decay sooner",
            file="s2/freezed-resnet-1.yaml",
            said="0.9608 (147), 2m 51s",
            did="As E5. Called “a little smaller” than 0.9542, and is one photo more.",
            runs=("freezed-resnet-1",),
        ),
        Row(
            item="E7, ResNet-50",
            file="s2/freezed-resnet50.yaml",
            said="0.9542 (146), 3m 04s",
            did="As E5. Found no better by the same 146 photos.",
        ),
    ),
)

_ADAM = (
    "Its `train.py` builds the net again after loading the weights: `--pretrained` has no effect."
)


def _both(strategy: str) -> tuple[str, ...]:
    return f"cifar10-{strategy}", f"cars-{strategy}"


S3 = Study(
    title="S3: strategies of fine-tuning MobileNetV2",
    about="""\
MobileNetV2 on six sets, strategies compared on CIFAR-10 and CUB-200; its curves are pictures that
are not with the report, its rates and epochs are not told. All figures stand in a column called
validation; the one called test is empty. TinyTL comes later.

Run here on 1,000 training and 1,000 test images of CIFAR-10, kept as JPEG files and enlarged to 64
pixels, for 6 epochs; and on ten of the 196 models of cars, 397 photos to train on and 94 to
validate on, at 128 pixels for 6 epochs. Its own sets are 50 and 20 times as large: **what we
get cannot reach its figures, and need not rank as they would**.""",
    baseline="whole-layer",
    sets=("cifar", "cars"),
    rows=(
        Row(
            item="whole layer & Adam",
            file="s3/cifar10-whole-layer.yaml",
            said="CIFAR-10 96.224 %",
            did=f"{_ADAM} (In the version of it that is public.)",
            runs=_both("whole-layer"),
        ),
        Row(
            item="separate lr, as run",
            file="s3/cifar10-separate-lr-as-run.yaml",
            said="better than standard fine-tuning on CIFAR-10 and CUB-200",
            did="Meant three groups and had two: ids of modules were compared with ids of "
            "parameters, so the one of 0.6 was empty. The weight decay was dropped, too: two "
            "things differ from standard.",
            runs=_both("separate-lr-as-run"),
        ),
        Row(
            item="separate lr, as meant",
            file="s3/cifar10-separate-lr-as-meant.yaml",
            said="",
            did="Never ran. An empty group is refused here, and its selector named.",
            runs=_both("separate-lr-as-meant"),
        ),
        Row(
            item="last 3",
            file="s3/cifar10-last-3.yaml",
            said="“no doubt a bad choice”",
            did="",
            runs=_both("last-3"),
        ),
        Row(
            item="feature extractor",
            file="s3/cifar10-feature-extractor.yaml",
            said="named, no figure",
            did="",
            runs=_both("feature-extractor"),
        ),
        Row(
            item="bias",
            file="s3/cifar10-bias.yaml",
            said="CIFAR-10 71.2 %",
            did="Whether the new classifier's weights trained is not told; here they do not.",
            runs=_both("bias"),
        ),
        Row(
            item="bias, and the head",
            file="s3/cifar10-bias-and-head.yaml",
            said="",
            did="The other reading, that of TinyTL's paper.",
            runs=_both("bias-and-head"),
        ),
        Row(
            item="norm + last",
            file="s3/cifar10-norm-and-last.yaml",
            said="a curve",
            did="No parameter's name holds “norm”: the classifier trained alone. GroupNorm then "
            "took BatchNorm's place, after the optimizer had been made. Here: layers by type.",
            runs=_both("norm-and-last"),
        ),
        Row(
            item="from scratch",
            file="s3/cifar10-scratch.yaml",
            said="“we can not get similar results”",
            did="By separate lr as run; the fine-tuned side is that row.",
            runs=_both("scratch"),
        ),
        Row(
            item="from scratch, more epochs",
            file="s3/cifar10-scratch-longer.yaml",
            said="“it seems to stop to grow”",
            did="At 0.9 an epoch the rate has fallen to 4 % by epoch 30: it can hardly grow.",
            runs=("cifar10-scratch-longer",),
        ),
        Row(
            item="Cars196", file="s3/cars196-separate-lr.yaml", said="87.295 %",
            did="By separate lr as run.",
        ),
        Row(item="Food101", file="s3/food101-separate-lr.yaml", said="81.124 %", did="Likewise."),
        Row(item="CIFAR100", file="s3/cifar100-separate-lr.yaml", said="73.242 %", did="Likewise."),
        Row(item="CUB200", file="s3/cub200-separate-lr.yaml", said="78.141 %", did="Likewise."),
        Row(
            item="CUB200, as meant", file="s3/cub200-separate-lr-as-meant.yaml",
            said="", did="Never ran.",
        ),
        Row(
            item="CUB200, whole layer", file="s3/cub200-whole-layer.yaml",
            said="a curve below that of separate lr", did="",
        ),
        Row(
            item="ImageNet", file="s3/imagenet-separate-lr.yaml", said="70.241 %",
            did="Below the 71.88 % that the weights have as they come: the classifier was drawn "
            "anew.",
        ),
    ),
)  # fmt: skip

_MODES = (
    "Validation and test images were augmented and scored in training mode, with dropout and the "
    "statistics of the batch; test accuracy was printed every epoch."
)
S4B = Study(
    title="S4, part B: three strategies, and a head of two layers",
    about="""\
ResNet-50 on ten classes of iNaturalist. The report has two figures, both on test images; of the
strategies that it lists it ran one.

Run here with **MobileNetV2 in ResNet-50's place** on five kinds of flowers, 500 photos to train on
and 500 to validate on, at 128 pixels in batches of 32, all 15 epochs. The last three of
MobileNetV2's blocks stand for ResNet-50's last stage. Figures are those of validation images.""",
    baseline="all-but-last-frozen",
    sets=("flowers5",),
    rows=(
        Row(
            item="1, all but the last frozen",
            file="s4b/all-but-last-frozen.yaml",
            said="79.75 % (test)",
            did=_MODES,
            runs=("flowers5-all-but-last-frozen",),
        ),
        Row(
            item="2, the first k frozen",
            file="s4b/first-k-frozen.yaml",
            said="named, no figure",
            did="Did not run.",
            runs=("flowers5-first-k-frozen",),
        ),
        Row(
            item="3, all layers, small rate",
            file="s4b/all-small-lr.yaml",
            said="named, no figure",
            did="Did not run.",
            runs=("flowers5-all-small-lr",),
        ),
        Row(
            item="1, 2 and 3 as stages",
            file="s4b/progressive-unfreezing.yaml",
            said="",
            did="Not in the report.",
            runs=("flowers5-progressive-unfreezing",),
        ),
        Row(
            item="a GELU layer before the last",
            file="s4b/gelu-head.yaml",
            said="“around 81 %” (test)",
            did="As 1. It calls the layer the reason; rate, decay and epochs of 1 are not told.",
            runs=("flowers5-gelu-head",),
        ),
        Row(
            item="from scratch",
            file="s4b/scratch.yaml",
            said="42.80 % (test), by another net: that of part A",
            did="Part A's net was also scored in training mode.",
            runs=("flowers5-scratch",),
        ),
    ),
)
STUDIES = (S2, S3, S4B)
