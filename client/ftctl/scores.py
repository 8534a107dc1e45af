"""How good a model is: over the epochs of a run, and at its end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Loss and accuracy over `count` images, with the Wilson 95 % interval of the accuracy."""

    loss: float
    accuracy: float
    correct: int
    count: int
    accuracy_low: float
    accuracy_high: float
    balanced_accuracy: float | None = None
    """Mean recall of the classes that have images. None for training images."""
    top5_accuracy: float | None = None
    """Share of images whose class is among the 5 most likely. None up to 5 classes."""
    calibration_error: float | None = None
    """Mean distance of confidence and accuracy over 15 bins of equal width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The best validation accuracies of a recipe's repeats, which differ in their seeds."""

    accuracies: tuple[float, ...]
    """Of each repeat that was trained to its end, in order."""
    mean: float
    deviation: float
    """Of the sample; 0 for one alone."""
    low: float | None
    """Lower end of the 95 % interval of the mean by Student's t; None for one alone."""
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in a line: the best epoch by validation accuracy, and the latest."""

    best_epoch: int
    best_accuracy: float
    last_epoch: int
    last_accuracy: float
    overfit_drop: float
    """best_accuracy - last_accuracy: what was lost by training on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class in an evaluation."""

    label: str
    count: int
    """Images of this class."""
    predicted: int
    """Images that were taken for this class."""
    correct: int

    @property
    def recall(self) -> float | None:
        """The share of its images that were found; None without any."""
        return self.correct / self.count if self.count else None

    @property
    def precision(self) -> float | None:
        """The share of what was taken for it that is; None where nothing was."""
        return self.correct / self.predicted if self.predicted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the best checkpoint scores, evaluated after training."""

    split: str
    """`val`, or `test`: images that are read for this alone."""
    epoch: int
    """After which the checkpoint was taken."""
    score: Score
    classes: tuple[ClassScore, ...]
    """In the model's order."""
