"""Write docs/recipes.md, the list of every key of a job file, a recipe's from the schema itself.

Run as `python -m tests.house.reference`; with `--check` it only says whether the page is fresh.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fttrain.spec import named
from fttrain.spec.recipe import schema

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "recipes.md"
HEAD = """\
# The job file, key by key

Generated from `fttrain.spec.recipe` and `tests/house/reference.py` by `make fmt`; do not edit.

```yaml
name: ants-bees-frozen            # what the daemon reads
priority: 10
after: [pretrain]

data:                             # the recipe: what the engine reads
  folder: {path: hymenoptera_data}
  augment: [horizontal_flip]
model:
  name: mobilenet_v2
  weights: IMAGENET1K_V1
train:
  seed: 0
  epochs: 25
  batch_size: 4
  trains: head
  optimizer: {sgd: {lr: 1e-3, momentum: 0.9}}
  schedule: {step: {every: 7, gamma: 0.1}}
```

One that says more: a folder that is split here, images that change as they come, a rate of its
own for the new head, and an end where validation stands still.

```yaml
name: flowers-whole
resources: {memory: 6GiB}         # shares its device
timeout: 4h
labels: {project: flowers}

data:
  folder:
    path: flowers
    split: {val: 0.15, test: 0.15, seed: 0}   # test images are read once, at the end
  max_bad: 2%
  augment:
    - random_resized_crop: {size: 224, scale: [0.4, 1.0]}
    - horizontal_flip
    - color_jitter: {brightness: 0.2, contrast: 0.2, p: 0.8}
    - random_erasing: {p: 0.1}
  mix: [{mixup: {alpha: 0.2}}, {cutmix: {alpha: 1.0}}]
model:
  name: mobilenet_v2
  weights: IMAGENET1K_V1
  head: [{dropout: 0.2}]
train:
  seed: 1
  epochs: 60
  batch_size: 32
  accumulate: 2
  trains: [head, last:6]
  groups: [{select: head, lr: 1e-3}, {select: last:6}]
  optimizer: {adamw: {lr: {base: 1e-4, at_batch: 64, scale: sqrt}, weight_decay: 0.05}}
  norm_weight_decay: 0.0
  schedule: {cosine: {by: step}}
  warmup: {epochs: 3}
  loss: {cross_entropy: {label_smoothing: 0.1, class_weights: balanced}}
  precision: auto
  clip_norm: 1.0
  ema: {decay: 0.999, every: 4}
  early_stopping: {patience: 5, min_epochs: 10}
outputs: [curves, confusion, predictions]
```

It is YAML 1.2: `1e-3` is a number, `no` is a string, a key given twice is an error.
A choice is a map with a single key, such as `{sgd: {lr: 0.1}}`.
Where every option has a default, its bare name will do.
A map that several keys take is told once, where it comes first; the others lead there.
Keys that are not listed here are refused by name.
`ftctl schema` has all of this for your editor.

## What the daemon reads

| key | value | default | meaning |
|---|---|---|---|
| `name` | 1 to 63 of `a-z`, `0-9`, `-` | the start of the id | Unique among jobs that have not \
ended. |
| `resources.devices` | integer | `1` | How many devices the job needs. |
| `resources.memory` | `512MiB`, `11GiB`, `16GB`, bytes | a device for itself | Memory that it \
needs of each device; jobs that say theirs share devices, as far as they fit. |
| `priority` | -1000 to 1000 | `0` | Higher starts first, equal ones in order of submission. |
| `after` | list of names or ids | none | Jobs that must have succeeded first; if one fails, this \
one fails with that reason. |
| `not_before` | `2026-11-22T08:00:00+01:00`, `22:00` | at once | Starts no sooner; without a zone \
your local time, a bare time is the next such moment. |
| `timeout` | `2h30m`, `90s`, seconds | never | Ends the job as failed once its workers have run \
for so long in all; at least 1 s. |
| `retries` | 0 to 100 | `3` | Starts again, from its last checkpoint, after so many failures that \
another start can mend: killed, crashed, stalled, out of memory. |
| `labels` | map of strings | none | Yours to use. |
| `recipe` | name of a recipe | none | The [named recipe](#named-recipes) that the keys below are \
merged over. |
| `data`, `model`, `train`, `outputs` | maps | | The recipe, below. |

## Named recipes

What many want has a name, and `recipe: NAME` bases a job file on it:

```yaml
recipe: tutorial
data: {folder: {path: hymenoptera_data}}
train: {epochs: 10, optimizer: {sgd: {lr: 5e-4}}}
```

That is PyTorch's tutorial with 10 epochs and another rate; all else is as there, the momentum, too.
`ftctl recipes NAME` prints one, ready to copy.

@NAMED@
What the file says is merged over its recipe:

- A map is merged key by key.
- A choice, such as an optimizer, is merged with one of its kind and replaces one of another: \
`{sgd: {lr: 0.1}}` keeps the momentum, `{adam: {lr: 1e-3}}` does not.
- A list replaces, and so does a number or a text: `augment: []` changes no images.
- `null` takes a key out, so that its default counts: `schedule: null`.
- Of keys that exclude each other the file's counts: `folder` leaves no `torchvision`, `cnn` \
leaves no `name`, `train.stages` leaves no `train.epochs`.
- A single entry of a list is reached by its place, from 0: `--set train.stages[0].epochs=3`, or \
in the file `train: {stages: {"[0]": {epochs: 3}}}`.

The daemon merges, and what comes out is what it checks, keeps, compares and runs.
`ftctl get JOB -o yaml` prints that, with the recipe's name in a comment: it is the same job when \
it is submitted again, whatever a later version makes of the name.
A fault of what the file does not say itself ends with `(from recipe NAME)`.

## What trains, and what it begins with

Selectors say what trains, in `train.trains` and `train.groups`: `head`, `all`, `first:k`, \
`last:k`, `block:features[-5:]`, `type:BatchNorm2d`, `param:bias`, and globs over parameter names.
A selector that matches nothing is an error.
Of groups, one may `select: rest`: what no other selects.
What is frozen is frozen whole: its BatchNorm layers keep their statistics.
`norm` is every normalisation layer whatever its class: `trains: [norm, head]` leaves the rest.

| to train | say |
|---|---|
| the head alone, on features that stay | `trains: head` |
| the head and the last three blocks | `trains: [head, "last:3"]` |
| biases and the head | `trains: ["param:bias", head]` |
| all, the head ten times as fast | `groups: [{select: head, lr: 1e-2}, {select: rest}]` |
| all, slower layer by layer towards the stem | `layer_decay: 0.75` |

Each group is a row of the table that `ftctl submit` and `ftctl get` show, with its tensors, \
parameters, rate and decay; `layer_decay` makes one row per depth.

## Stages

A training may go through stages, such as the new head alone and then the whole net.
Each states its epochs, and of `trains`, `groups`, `layer_decay`, `optimizer`, `schedule`, \
`warmup`, decays and `augment` what is to be another than under `train` (and `data.augment`).

```yaml
data: {dataset: pets}
model: {name: mobilenet_v2, weights: IMAGENET1K_V1}
train:
  batch_size: 16
  optimizer: {adamw: {lr: 1e-3}}
  stages:
    - {epochs: 3, trains: head}
    - {epochs: 4, trains: [head, "last:2"], optimizer_state: keep}
    - epochs: 8
      layer_decay: 0.75
      optimizer: {sgd: {lr: 1e-3, momentum: 0.9}}
      schedule: cosine
      warmup: {epochs: 1}
      augment: [horizontal_flip, {random_erasing: {p: 0.25}}]
```

Epochs and steps are counted on over all stages; rates, warm-up and schedule begin anew in each.
The net, the mean of its weights (`ema`) and the scale of fp16 go on; the optimizer begins anew, \
or goes on with what both stages train (`optimizer_state: keep`).
`max_steps` cuts the whole run, `early_stopping` judges the last stage, and the best epoch is that \
of all stages.
There is no `train.epochs` beside stages: `--set train.stages[0].epochs=1` shortens the first.

Weights come from torchvision (`IMAGENET1K_V1`), from timm (`timm`), from a file \
(`file:/path/weights.pth`), from another job (`job:pretrain/best`), or are drawn anew (`none`).
Preprocessing comes with the weights; where they bring none, the recipe must say it.
A weights file is never unpickled beyond its tensors.

## What a run shows of its net

Four of the `outputs` look into the net of the best checkpoint; each is a picture with its numbers \
beside it, and `ftctl plot JOB KIND` draws it again of these, when images and net are long gone.

| output | what it shows | drawn again with `--metric` |
|---|---|---|
| `mistakes` | The wrong ones among the validation images, with what they are, what they are taken \
for, how sure, and their loss: -log of the probability of their class, whatever loss trains. The \
24 worst, and of the 6 classes with most mistakes the 6 worst each; `predictions` shows a few of \
both kinds. | `loss`, `confidence`, `class` |
| `filters` | The first convolution's, in a square, at most 256 or 1 MiB of them; in colour where \
images have it. Mid-grey is 0. | `each` (default: scaled by its own largest weight), `joint` |
| `features` | Of the first validation image that is right: maps of up to 8 layers, those with the \
largest deviation first, each scaled from its least to its largest value. | names of layers: all \
40 maps that are kept |
| `guided_backprop` | 10 neurons of the last convolution (behind its norm, before its activation), \
of channels at equal distances, each where it is largest over 128 validation images; and beneath \
that image what speaks for it. | – |

Guided backpropagation (Springenberg et al., 2015) lets back through a ReLU what is positive where \
its input was.
For any activation f the rule here is max(gradient, 0) · f'(input), which for ReLU is theirs.
It holds for ReLU, ReLU6, LeakyReLU, PReLU, ELU, SELU, CELU, GELU, SiLU, Mish, Hardswish, Softplus \
and tanh, as a module or as a function.
Sigmoid and Hardsigmoid are gates in the nets that we have and are left as they are; an activation \
that is made of several operations, such as x · sigmoid(1.702 x) in some nets of timm, is not seen.

They are made at the end, once: of a ResNet-50 with 224 x 224 pixels `guided_backprop` takes about \
16 seconds of a core, `features` 0.2, `filters` nothing, and drawing one or two each.
The JSON of each has at most some MB: small images in it are PNG files as base64, weights are \
base64 of little-endian float32.

## The recipe
"""
Schema = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return 1 where it is stale."""
    text = page(schema())
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print("docs/recipes.md is stale: make fmt", file=sys.stderr)
        return 1
    else:
        print("docs/recipes.md: fresh")
    return 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """The schema, and under which path each map of it is told: once, where it comes first."""

    root: Schema
    homes: dict[str, str]

    def target(self, value: Schema) -> Schema:
        """Follow a reference, through `or null` too."""
        name = _reference(value)
        target: Schema = self.root["$defs"][name] if name else {}
        return target

    def is_at_home(self, path: str, value: Schema) -> bool:
        """Tell whether what a value refers to is told under this very path."""
        return self.homes.setdefault(_reference(value), path) == path

    def link(self, value: Schema, text: str) -> str:
        """Return a link to where a map is told; no link before that is known."""
        home = self.homes.get(_reference(value))
        return f"[{text}](#{anchor(home)})" if home else text


def page(root: Schema) -> str:
    """Return the page as Markdown."""
    recipe = Recipe(root, {})
    # The first round finds out where everything is told, the second one has links to it.
    for _ in range(2):
        lines = [HEAD.replace("@NAMED@\n", _named()), *_section(recipe, "", root)]
    return "\n".join(lines).rstrip() + "\n"


def _named() -> str:
    """Return a table of the named recipes."""
    rows = [f"| `{each.name}` | {each.title} | {each.purpose} |" for each in named.every()]
    return "\n".join(["| recipe | what it is | what it is for |", "|---|---|---|", *rows]) + "\n\n"


def anchor(heading: str) -> str:
    """Return what GitHub calls a heading in links."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def _section(recipe: Recipe, path: str, node: Schema) -> Iterator[str]:
    """Yield the lines of one map and, after them, of all maps within it."""
    needed = [*node.get("required", []), *node.get("else", {}).get("required", [])]
    if path:
        yield f"## {path}\n"
        yield " ".join(node["description"].split()) + "\n"
    if node["properties"]:
        yield "| key | value | default | meaning |\n|---|---|---|---|"
        for key, value in node["properties"].items():
            default = "required" if key in needed else _default(value)
            meaning = value.get("description", recipe.target(value).get("description", ""))
            kind = _kind(recipe, value)
            yield f"| `{key}` | {kind} | {default} | {' '.join(meaning.split())} |"
        yield ""
    # What stages can say is told where a run without them says it.
    for key, value in sorted(node["properties"].items(), key=lambda pair: pair[0] == "stages"):
        yield from _beneath(recipe, f"{path}.{key}" if path else key, value)


def _beneath(recipe: Recipe, path: str, value: Schema) -> Iterator[str]:
    lists = [o["items"] for o in value.get("anyOf", [value]) if o.get("items")]
    if lists:
        yield from _beneath(recipe, f"{path}[]", lists[0])
        return
    target = recipe.target(value)
    for name, options in _alternatives(target):
        if recipe.is_at_home(f"{path}.{name}", options):
            yield from _section(recipe, f"{path}.{name}", recipe.target(options))
    if "properties" in target and recipe.is_at_home(path, value):
        yield from _section(recipe, path, target)


def _reference(value: Schema) -> str:
    names = [one["$ref"].rsplit("/", 1)[1] for one in value.get("anyOf", [value]) if "$ref" in one]
    return names[0] if names else ""


def _alternatives(target: Schema) -> Iterator[tuple[str, Schema]]:
    for option in target.get("oneOf", ()):
        yield from option.get("properties", {}).items()


def _kind(recipe: Recipe, value: Schema) -> str:
    options = [o for o in value.get("anyOf", [value]) if o.get("type") != "null"]
    return " or ".join(_plain(recipe, option) for option in options)


def _plain(recipe: Recipe, value: Schema) -> str:
    target = recipe.target(value)
    match value:
        case _ if "oneOf" in target:
            return "one of " + ", ".join(
                recipe.link(options, f"`{name}`") for name, options in _alternatives(target)
            )
        case _ if target:
            return recipe.link(value, "map")
        case {"enum": names}:
            return "one of " + ", ".join(f"`{name}`" for name in names)
        case {"const": name}:
            return f"`{name}`"
        case {"prefixItems": items}:
            return f"list of {len(items)}: {_plain(recipe, items[0])}"
        case {"type": ["array", "string"]}:
            return f"string or list of {_plain(recipe, value['items'])}"
        case {"type": "array"}:
            return f"list of {_plain(recipe, value['items'])}"
        case _:
            return " ".join([value["type"], *_limits(value)])


def _limits(value: Schema) -> list[str]:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    # What fits into 31 or 63 bits is any number: nobody meets that limit.
    return [
        f"{sign} {value[name]}"
        for name, sign in words.items()
        if name in value and value[name] < 2**31 - 1
    ]


def _default(value: Schema) -> str:
    match value.get("default"):
        case None:
            return ""
        case bool(flag):
            return f"`{str(flag).lower()}`"
        case dict(choice):
            return f"`{next(iter(choice))}`"
        case list(items):
            return f"`[{', '.join(str(item) for item in items)}]`"
        case other:
            return f"`{other}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
