"""The models are those of the specification, to the parameter."""

from fractions import Fraction

import pytest
import torch

from train.models import FCNN, MODELS, FsFCNN, ResNet17
from train.models.layers import SameAvgPool, count_parameters, same_padding


@pytest.mark.parametrize(
    ("model", "classes", "width", "parameters"),
    [
        (FCNN, 10, 1, 11_786_711),
        (FCNN, 3, 1, 11_782_546),
        (FsFCNN, 10, 1, 16_539_703),
        (ResNet17, 10, 1, 12_980_492),
        (ResNet17, 3, Fraction(1, 2), 3_247_758),
    ],
)
def test_a_model_has_the_parameters_of_the_specification(model, classes, width, parameters):
    assert count_parameters(model(classes, Fraction(width)))[0] == parameters


def test_the_five_released_models_hold_56_3_million_parameters():
    models = FCNN(10), FCNN(3), FsFCNN(10), ResNet17(10), ResNet17(3, Fraction(1, 2))
    assert round(sum(count_parameters(model)[0] for model in models) / 1e6, 1) == 56.3


@pytest.mark.parametrize(("frames", "maps"), [(400, 25), (423, 26)])
def test_the_fcnn_pools_8_by_25_maps_of_a_crop_and_8_by_26_of_a_clip(frames, maps):
    model = FCNN(10, Fraction(1, 16)).eval()
    with torch.no_grad():
        assert model.blocks(model.stem(torch.rand(1, 3, 128, frames))).shape[-2:] == (8, maps)


@pytest.mark.parametrize("model", MODELS.values())
@pytest.mark.parametrize("frames", [185, 208, 423])
def test_every_model_takes_clips_of_any_length(model, frames):
    small = model(4, Fraction(1, 16)).eval()
    with torch.no_grad():
        logits = small(torch.rand(2, 3, 128, frames))
    assert logits.shape == (2, 4)
    assert logits.isfinite().all()


@pytest.mark.parametrize("model", MODELS.values())
def test_every_parameter_is_trained(model):
    small = model(4, Fraction(1, 16))
    torch.nn.functional.cross_entropy(small(torch.rand(8, 3, 128, 64)), torch.arange(8) % 4).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in small.parameters())


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_gives_as_many_places_as_strides_begin(size, stride):
    before, after = same_padding(size, 3, stride)
    assert (size + before + after - 3) // stride + 1 == -(-size // stride)
    assert after - before in (0, 1)


def test_average_pooling_leaves_the_padding_out_of_the_mean():
    assert torch.allclose(SameAvgPool((1, 2))(torch.full((1, 2, 5, 8), 3.0)), torch.tensor(3.0))
