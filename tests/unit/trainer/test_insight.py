"""What is seen of a net: its last layers, its maps, and what speaks for a neuron."""

import math
import warnings

import numpy as np
import pytest
import torch
from captum.attr import NeuronGuidedBackprop
from torch import Tensor, nn
from torch.nn import functional as F

from fttrain.insight import features, filters, guided, layers, neurons
from fttrain.insight.neurons import Layer, Neuron
from fttrain.models import build
from fttrain.models.zoo import Net
from fttrain.pictures import filters as drawing
from fttrain.pictures.sheet import unpacked
from fttrain.spec.network import Model


def net_of(name: str, seed: int = 0) -> Net:
    model = Model.model_validate({"name": name, "weights": "none"})
    net = build.fresh(model, classes=3, channels=3, seed=seed)
    net.module.eval()
    return net


def image(side: int = 64, seed: int = 0) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


# --- guided backpropagation ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "squeezenet1_1"])
def test_guided_gradients_of_relu_nets_are_those_of_captum(name: str) -> None:
    net, given = net_of(name), image(96)
    layer = Layer(net, given)
    neuron = Neuron(channel=3, row=1, column=2, image=0)

    told, _ = layer.guided(neuron, given)

    for module in net.module.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # its hooks refuse what is written into
    seen = net.module.get_submodule(layer.norm or layer.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = NeuronGuidedBackprop(net.module, seen).attribute(
            given.clone().requires_grad_(True), neuron_selector=(3, 1, 2)
        )
    assert float(theirs.abs().max()) > 0
    torch.testing.assert_close(told.gradient, theirs)


def test_of_relu_as_a_module_and_as_a_function_guides_alike() -> None:
    first, second = nn.Linear(6, 8), nn.Linear(8, 8)
    given = torch.randn(6, generator=torch.Generator().manual_seed(3))

    def back(act: nn.Module | None) -> guided.Guided:
        x = given.clone().requires_grad_(True)
        hidden = first(x)
        hidden = act(hidden) if act is not None else F.relu(hidden)
        return guided.back(second(hidden).relu_()[2] * 1.0 + second(hidden).sum(), x)

    plain, inplace, functional = back(nn.ReLU()), back(nn.ReLU(inplace=True)), back(None)

    assert plain.activations == inplace.activations == functional.activations == 2
    torch.testing.assert_close(plain.gradient, functional.gradient)
    torch.testing.assert_close(plain.gradient, inplace.gradient)


def gelu_slope(x: Tensor) -> Tensor:
    density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return torch.special.ndtr(x) + x * density


def silu_slope(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


def hardswish_slope(x: Tensor) -> Tensor:
    return torch.where(x < -3, 0.0, torch.where(x > 3, 1.0, x / 3 + 0.5))


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        (F.gelu, gelu_slope),
        (F.silu, silu_slope),
        (F.hardswish, hardswish_slope),
        (F.relu6, lambda x: ((x > 0) & (x < 6)).double()),
        (torch.tanh, lambda x: 1 - torch.tanh(x) ** 2),
        (F.elu, lambda x: torch.where(x > 0, 1.0, torch.exp(x))),
    ],
)
def test_any_activation_lets_positive_gradients_pass_times_its_slope(
    activation: object, slope: object
) -> None:
    chance = torch.Generator().manual_seed(5)
    first, second, third = (
        torch.randn(shape, generator=chance, dtype=torch.double) for shape in ((9, 6), (9, 9), (9,))
    )
    x = torch.randn(6, generator=chance, dtype=torch.double).requires_grad_(True)
    lower = first @ x
    upper = second @ activation(lower)  # type: ignore[operator]

    told = guided.back(third @ activation(upper), x)  # type: ignore[operator]

    above = third.clamp(min=0) * slope(upper.detach())  # type: ignore[operator]
    beneath = (second.T @ above).clamp(min=0) * slope(lower.detach())  # type: ignore[operator]
    torch.testing.assert_close(told.gradient, first.T @ beneath)
    assert told.activations == 2


def test_gates_of_attention_are_no_activations() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)

    told = guided.back(-(torch.sigmoid(x) * x).sum(), x)

    assert told.activations == 0
    torch.testing.assert_close(told.gradient, -silu_slope(x.detach()))


# One of each family that torchvision has, small; with how many activations lie before the layer.
FAMILIES = {
    "alexnet": 4, "convnext_tiny": 17, "densenet121": 120, "efficientnet_b0": 48,
    "googlenet": 51, "inception_v3": 85, "maxvit_t": 54, "mnasnet0_5": 34, "mobilenet_v2": 34,
    "mobilenet_v3_small": 31, "regnet_x_400mf": 66, "resnet18": 16, "shufflenet_v2_x0_5": 36,
    "squeezenet1_1": 23, "vgg11": 7,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAMILIES])
def test_every_family_of_nets_is_guided_to_its_image(name: str) -> None:
    side = {"inception_v3": 96, "maxvit_t": 224}.get(name, 64)
    net, given = net_of(name), image(side)
    layer = Layer(net, given)
    channels = layer.run(given).shape[1]

    told, _ = layer.guided(Neuron(channel=channels // 2, row=0, column=0, image=0), given)

    assert told.activations == FAMILIES[name]
    assert told.gradient.shape == given.shape
    assert bool(torch.isfinite(told.gradient).all())


def test_what_is_shown_of_a_gradient_has_grey_at_0_and_says_its_scale() -> None:
    gradient = torch.zeros(3, 8, 8)
    gradient[0, 2, 3], gradient[1, 4, 4] = 0.5, -0.5

    pixels, scale = guided.shaded(gradient, side=8)

    assert scale == 0.5
    assert pixels.shape == (8, 8, 3)
    assert (int(pixels[2, 3, 0]), int(pixels[4, 4, 1]), int(pixels[0, 0, 0])) == (255, 0, 128)


# --- neurons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layer", "norm"),
    [
        ("alexnet", "features.10", None),
        ("resnet18", "layer4.1.conv2", "layer4.1.bn2"),
        ("mobilenet_v2", "features.18.0", "features.18.1"),
        ("squeezenet1_1", "features.12.expand3x3", None),
        ("vit_b_32", "conv_proj", None),
    ],
)
def test_the_last_convolution_is_found_with_its_norm_and_never_in_the_head(
    name: str, layer: str, norm: str | None
) -> None:
    found = Layer(net_of(name), image(224 if name == "vit_b_32" else 64))

    assert (found.name, found.norm) == (layer, norm)


def test_a_neuron_lies_where_its_channel_is_largest_over_all_images() -> None:
    net = net_of("alexnet")
    images = torch.cat([image(96, seed) for seed in range(6)])
    layer = Layer(net, images[:1])

    chosen = neurons.chosen(layer, images.split(4))

    with torch.inference_mode():
        made = layer.run(images)
    assert len(chosen) == neurons.NEURONS
    assert len({each.channel for each in chosen}) == neurons.NEURONS
    for each in chosen:
        value = made[each.image, each.channel, each.row, each.column]
        torch.testing.assert_close(value, made[:, each.channel].max())
        assert value > 0


# --- feature maps and filters ---------------------------------------------------------------------


def test_feature_maps_are_what_the_layers_give_the_liveliest_first() -> None:
    net, given = net_of("resnet18"), image(128)

    told = features.body(net, given)

    assert [layer["name"] for layer in told] == [
        "conv1", "bn1", "layer1[0]", "layer1[1]", "layer2[1]", "layer3[0]", "layer3[1]",
        "layer4[1]",
    ]  # fmt: skip
    first = told[0]
    assert (first["channels"], first["height"], first["width"]) == (64, 64, 64)
    with torch.inference_mode():
        made = net.module.conv1(given)[0]
    spread = made.flatten(1).std(1, correction=0)
    channels = [each["channel"] for each in first["maps"]]
    assert channels == torch.argsort(-spread, stable=True)[: features.MAPS].tolist()
    last = told[-1]
    shown = last["maps"][0]
    with torch.inference_mode():
        run = given
        for block in net.blocks[:-2]:
            run = block.run(run)
    values = run[0, shown["channel"]].numpy()
    assert (shown["low"], shown["high"]) == (values.min(), values.max())
    scaled = (values - values.min()) / (values.max() - values.min()) * 255
    assert np.abs(unpacked(shown["png"]) - scaled).max() <= 0.5 + 1e-3


def test_maps_are_found_where_channels_are_last_and_where_patches_stand_in_a_row() -> None:
    last = torch.arange(2 * 2 * 5.0).reshape(1, 2, 2, 5)
    row = torch.arange(5 * 3.0).reshape(1, 5, 3)

    ours, patches = layers.maps(last), layers.maps(row)

    assert ours is not None
    assert ours.shape == (5, 2, 2)
    assert ours[1].tolist() == last[0, :, :, 1].tolist()
    assert patches is not None
    assert patches[2].tolist() == [[5.0, 8.0], [11.0, 14.0]]
    assert layers.maps(torch.zeros(1, 7)) is None


def test_filters_are_the_weights_of_the_first_convolution_and_at_most_a_mebibyte() -> None:
    small, large = net_of("resnet18"), net_of("vit_b_32")

    told, cut = filters.body(small, title="ants"), filters.body(large, title="ants")

    assert (told["layer"], told["filters"], told["shape"]) == ("conv1", 64, [64, 3, 7, 7])
    assert drawing.weights(told).tolist() == small.module.conv1.weight.tolist()
    assert (cut["filters"], cut["shape"]) == (768, [85, 3, 32, 32])
