"""The classifiers of the paper's system, one file per model."""

from train.models.fcnn import FCNN
from train.models.fsfcnn import FsFCNN
from train.models.layers import Classifier
from train.models.resnet17 import ResNet17

MODELS: dict[str, type[FCNN] | type[FsFCNN] | type[ResNet17]] = {model.NAME: model for model in (FCNN, FsFCNN, ResNet17)}

__all__ = ["FCNN", "MODELS", "Classifier", "FsFCNN", "ResNet17"]
