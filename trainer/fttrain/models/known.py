"""What torchvision knows of its own weights: where they come from and how images are prepared."""

import re
from dataclasses import dataclass
from typing import Any

import torchvision

from fttrain.spec.images import Preprocess

# These two were published for values from -1 to 1. torchvision has images prepared as for other
# nets and has the net itself undo it (`transform_input`); here that is in the preparation.
_HALVES = ("googlenet", "inception_v3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Weights that torchvision publishes for a net."""

    net: str
    member: str
    """`IMAGENET1K_V1`."""
    url: str
    file: str
    sha256_begin: str
    """The first hexadecimal digits of the file's SHA-256, as its name tells them."""
    preprocess: Preprocess
    classes: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Who says how images are prepared."""
        return f"weights {self.net} {self.member}"


def published(net: str) -> list[Published]:
    """Return all weights that torchvision publishes for one of its nets."""
    members = torchvision.models.get_model_weights(net)
    # vgg16 has weights for other tasks too: its classifier is not a number there.
    return [_published(net, member) for member in members if member.meta["categories"]]


def _published(net: str, member: Any) -> Published:
    file = member.url.rpartition("/")[2]
    digits = re.search(r"-([0-9a-f]{8,})\.", file)
    assert digits is not None, f"torchvision names no digest in {file}"
    view = member.transforms()
    return Published(
        net=net,
        member=member.name,
        url=member.url,
        file=file,
        sha256_begin=digits[1],
        preprocess=Preprocess(
            resize=view.resize_size[0],
            crop=view.crop_size[0],
            interpolation=view.interpolation.value,
            mean=[0.5] * 3 if net in _HALVES else list(view.mean),
            std=[0.5] * 3 if net in _HALVES else list(view.std),
        ),
        classes=tuple(member.meta["categories"]),
    )
