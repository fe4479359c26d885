"""Weights of a Keras model, saved as HDF5 and imported, give the Keras model's outputs."""

import os
from fractions import Fraction

import numpy as np
import pytest
import torch

from tools.import_keras_weights import import_weights
from train.errors import CheckpointError
from train.models import FCNN, FsFCNN, ResNet17

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras", reason="keras is installed with the extra 'dev'")

WIDTH = Fraction(1, 12)  # 4 filters where the paper has 48


def norm(maps, affine=True):
    return keras.layers.BatchNormalization(epsilon=1e-3, center=affine, scale=affine)(maps)


def conv(maps, filters, kernel=3, strides=1, padding="same"):
    return keras.layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False)(maps)


def relu(maps):
    return keras.layers.ReLU()(maps)


def attention_head(maps, classes):
    maps = norm(relu(norm(conv(maps, classes, 1), affine=False)), affine=False)
    squeeze, excite = keras.layers.Dense(classes // 2, activation="relu"), keras.layers.Dense(classes)
    mean = excite(squeeze(keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)))
    most = excite(squeeze(keras.layers.GlobalMaxPooling2D(keepdims=True)(maps)))
    maps = maps * keras.activations.sigmoid(mean + most)
    return keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(maps))


def keras_fcnn(classes):
    inputs = keras.Input((128, None, 3))
    maps = conv(keras.layers.ZeroPadding2D(2)(norm(inputs)), 12, 5, 2, "valid")
    maps = keras.layers.MaxPooling2D(2)(relu(norm(conv(relu(norm(maps)), 12))))
    for filters in (24, 24):
        maps = relu(norm(conv(maps, filters)))
    maps = keras.layers.MaxPooling2D(2)(maps)
    for filters in (48, 48, 48, 48):
        maps = relu(norm(conv(maps, filters)))
    return keras.Model(inputs, attention_head(keras.layers.MaxPooling2D(2)(maps), classes))


def keras_fsfcnn(classes):
    inputs = keras.Input((128, None, 3))
    maps = relu(norm(conv(norm(inputs), 4, 5, (1, 2))))
    maps = relu(norm(conv(maps, 4)))
    for filters, pool in ((8, (2, 2)), (43, (2, 2)), (43, (1, 2))):
        maps = keras.layers.MaxPooling2D(3, pool, "same")(maps)
        maps = relu(norm(conv(relu(norm(conv(maps, filters))), filters)))
    maps = keras.layers.MaxPooling2D(3, (1, 2), "same")(maps)
    maps = relu(norm(conv(relu(norm(conv(maps, 64))), 64)))
    return keras.Model(inputs, attention_head(maps, classes))


def keras_resnet17(classes):
    def doubled(maps):
        return keras.layers.Concatenate()([maps, keras.ops.zeros_like(maps)])

    inputs = keras.Input((128, None, 3))
    paths = [conv(norm(half), 4, strides=(1, 2)) for half in (inputs[:, :64], inputs[:, 64:])]
    for stack, block in [(stack, block) for stack in range(4) for block in range(2)]:
        filters, narrows = 4 * 2**stack, stack > 0 and block == 0
        inner = [conv(relu(norm(path, False)), filters, strides=(1, 2) if narrows else 1) for path in paths]
        inner = [conv(relu(norm(path, False)), filters) for path in inner]
        if narrows:
            paths = [doubled(keras.layers.AveragePooling2D(3, (1, 2), "same")(path)) for path in paths]
        paths = [shortcut + path for shortcut, path in zip(paths, inner, strict=True)]
    maps = keras.layers.Concatenate(axis=1)(paths)
    maps = conv(relu(norm(maps, False)), 128, 1)
    maps = norm(conv(norm(maps, False), classes, 1), False)
    return keras.Model(inputs, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(maps)))


def randomise(model):
    """Weights of a trained model's size, batch statistics among them, so that no layer passes by
    being neutral.
    """
    generator = np.random.default_rng(0)
    for weight in model.weights:
        shape = tuple(weight.shape)
        positive = weight.name in ("gamma", "moving_variance")
        scale = 0.7 if len(shape) < 2 else np.sqrt(2 / np.prod(shape[:-1]))
        weight.assign(generator.uniform(0.5, 1.5, shape) if positive else generator.normal(0, scale, shape))


@pytest.mark.parametrize(("ours", "theirs"), [(FCNN, keras_fcnn), (FsFCNN, keras_fsfcnn), (ResNet17, keras_resnet17)])
@pytest.mark.parametrize("frames", [61, 64])
def test_an_imported_model_gives_the_outputs_of_the_keras_model(tmp_path, ours, theirs, frames):
    model = theirs(10)
    randomise(model)
    model.save(tmp_path / "model.h5")
    imported = ours(10, WIDTH).eval()
    import_weights(tmp_path / "model.h5", imported)
    features = np.random.default_rng(1).random((2, 3, 128, frames), np.float32)
    expected = np.asarray(model(features.transpose(0, 2, 3, 1), training=False).detach())
    with torch.no_grad():
        probabilities = imported(torch.from_numpy(features)).softmax(1).numpy()
    assert np.ptp(expected) > 1e-2
    assert np.abs(probabilities - expected).max() < 1e-4


def test_weights_of_another_model_are_refused(tmp_path):
    keras_fcnn(10).save(tmp_path / "model.h5")
    with pytest.raises(CheckpointError, match="layers 'conv2d', but resnet17 has"):
        import_weights(tmp_path / "model.h5", ResNet17(10, WIDTH))
    with pytest.raises(CheckpointError, match="choose another --width"):
        import_weights(tmp_path / "model.h5", FCNN(10, Fraction(1, 16)))


def test_a_file_that_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"not at all")
    with pytest.raises(CheckpointError, match="not an HDF5 file of Keras weights"):
        import_weights(tmp_path / "model.h5", FCNN(10, WIDTH))
