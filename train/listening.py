"""A clip to hear beside what models answer: the one that coding does the most to."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.condition_names import split_store
from streamaug.links import Link
from streamaug.pages.listening import players_of
from streamaug.pages.page import Players
from streamaug.store import Store
from train.predictions import in_order
from train.results import ORIGINAL


def telling_clip(predictions: pa.Table, labels: Sequence[str]) -> str:
    """The clip whose own classes lose the most probability by coding, on average over the coded
    conditions; without an original to compare with, the first clip.

    Args:
        predictions: Of one store's clips, by one or several models, which count alike.
        labels: The classes, in the order of the probabilities.
    """
    names = in_order(predictions, "condition")
    originals = [split_store(name)[1] == ORIGINAL for name in names]
    if all(originals) or not any(originals):
        return str(predictions["clip_id"][0].as_py())
    clips = predictions["clip_id"].dictionary_encode().combine_chunks()
    right = _probability_of_own(predictions, labels)
    means = np.empty((2, len(clips.dictionary)))
    is_original = np.isin(predictions["condition"].to_numpy(), [name for name, yes in zip(names, originals, strict=True) if yes])
    for number, chosen in enumerate((is_original, ~is_original)):
        codes = clips.indices.to_numpy()[chosen]
        means[number] = np.bincount(codes, right[chosen], len(clips.dictionary)) / np.bincount(codes, minlength=len(clips.dictionary))
    return str(clips.dictionary[int((means[0] - means[1]).argmax())].as_py())


def _probability_of_own(predictions: pa.Table, labels: Sequence[str]) -> np.ndarray:
    """Mean probability of the classes that a clip has, 0 for a clip that has none, of each prediction."""
    probabilities = np.stack(predictions["probabilities"].to_numpy())
    if "label" in predictions.column_names:
        own = pc.index_in(predictions["label"], pa.array(labels)).to_numpy()
        return np.asarray(probabilities[np.arange(len(own)), own])
    has = np.array([[label in each for label in labels] for each in predictions["labels"].to_pylist()])
    return np.asarray((probabilities * has).sum(1) / np.maximum(has.sum(1), 1))


def percent(share: float) -> str:
    """
    >>> percent(0.345)
    '34 %'
    """
    return f"{100 * share:.0f} %"


def truth_of(predictions: pa.Table, clip_id: str) -> str:
    """The classes of a clip, for people."""
    line = predictions.filter(pc.equal(predictions["clip_id"], clip_id)).slice(0, 1).to_pylist()[0]
    return str(line["label"]) if "label" in line else ", ".join(line["labels"]) or "none of the classes"


def answers_of(predictions: pa.Table, clip_id: str, labels: Sequence[str]) -> dict[str, str]:
    """What a model answers for a clip in each condition, for people.

    Args:
        predictions: Of one model.
        clip_id: The clip.
        labels: The classes, in the order of the probabilities.
    """
    answers = {}
    for line in predictions.filter(pc.equal(predictions["clip_id"], clip_id)).to_pylist():
        probabilities = line["probabilities"]
        if "label" in line:
            verdict = "right" if line["label"] == line["predicted"] else "wrong"
            answers[line["condition"]] = f"{line['predicted']} ({verdict}, {percent(max(probabilities))} sure)"
        else:
            heard = [label for label, probability in zip(labels, probabilities, strict=True) if probability >= 0.5]
            answers[line["condition"]] = ", ".join(heard) or "none of the classes"
    return answers


def players_with_answers(
    store: Store, name: str, clip_id: str, answers: Mapping[str, str], links: Mapping[str, Link] | None = None
) -> list[Players]:
    """Players of a clip in its conditions, with what is answered in each.

    Args:
        store: The opened store.
        name: Its name in conditions, empty for a single store.
        clip_id: The clip.
        answers: What is answered, by condition; those of other stores are left out.
        links: Links that the conditions may name. Default: presets alone.

    Raises:
        CorruptError: A bitstream is damaged.
        FetchError: A bitstream could not be read.
    """
    own = {split_store(condition)[1]: answer for condition, answer in answers.items() if split_store(condition)[0] == name}
    return players_of(store, clip_id, list(own), own, links=links)
