"""The eleven faults (B1 to B11) that reports of fine-tuning had in their code, tables and text.

`python -m tests.house.cases` writes them into docs/reliability.md. Each but one has a test of its
own in tests/e2e/test_seed_faults.py, named after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FILE = "tests/e2e/test_seed_faults.py"


@dataclass(frozen=True, slots=True)
class Blunder:
    """A fault that a report had, and what becomes of it here."""

    fault: str
    fate: str
    """`impossible`, `refused` or `reported`."""
    here: str
    test: str = ""
    """Its name; empty where there is none, for a reason that `here` gives."""


BLUNDERS: Mapping[int, Blunder] = {
    1: Blunder(
        "gradients that add up for ever: no `zero_grad` in the loop",
        "impossible",
        "the engine owns the loop: its steps are those of the closed form",
        "test_b1_gradients_do_not_add_up_over_steps",
    ),
    2: Blunder(
        "a group of parameters that is empty, so its learning rate is nobody's",
        "refused",
        "a selector without a match, and a parameter in no group, are faults of the plan, which "
        "prints the table of groups",
        "test_b2_an_empty_group_is_refused",
    ),
    3: Blunder(
        "weights that are not loaded, and nobody is told",
        "refused",
        "weights that do not fit are a fault; the plan counts the tensors that are loaded and "
        "names their digest",
        "test_b3_weights_that_are_not_loaded_are_refused",
    ),
    4: Blunder(
        "norms chosen by a name that they do not have, and layers changed behind the optimizer",
        "refused",
        "a name without a match is a fault, `type:` selects by kind, and the optimizer is made of "
        "the net as it trains",
        "test_b4_norms_chosen_by_a_name_that_they_lack_are_refused",
    ),
    5: Blunder(
        "evaluated in training mode, on augmented images, of a split that is not stratified",
        "impossible",
        "an image has one verdict, whoever is evaluated beside it and whatever training does to "
        "images; shares of classes are equal",
        "test_b5_validation_knows_neither_batches_nor_augmentation",
    ),
    6: Blunder(
        "a cosine that rises again halfway, and the report does not say so",
        "reported",
        "the plan draws the learning rate ahead and says where it rises",
        "test_b6_a_learning_rate_that_rises_again_is_reported",
    ),
    7: Blunder(
        "two settings differ, and one of them gets the credit",
        "reported",
        "`ftctl compare` names all that differs, and calls it confounded",
        "test_b7_what_two_settings_did_is_confounded",
    ),
    8: Blunder(
        "a learning rate of 1,024 images a step, at 64, of which half the run is warm-up",
        "reported",
        "`lr` can be said for a batch size; the plan says what the warm-up takes",
        "test_b8_a_warm_up_of_half_the_run_and_a_rate_of_another_batch_are_reported",
    ),
    9: Blunder(
        "a triplet loss of which no triplet says anything",
        "absent",
        "no recipe can say a triplet loss yet: it comes with re-identification",
    ),
    10: Blunder(
        "conclusions that hang on one to eight images",
        "reported",
        "every accuracy has its count and its 95 % interval",
        "test_b10_every_accuracy_has_its_count_and_interval",
    ),
    11: Blunder(
        "formulas of parameters and multiply-accumulates that are wrong",
        "reported",
        "the plan counts both on the net as it is built",
        "test_b11_parameters_and_macs_are_counted_on_the_net",
    ),
}
