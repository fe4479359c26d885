"""The scores of a model and the labels of a store go together, or an error says how to name them."""

from pathlib import Path

import pytest

from streamaug.errors import ModelError
from streamaug.stress.columns import contradiction, read_labels, score_columns

STORE = ("bird", "rain", "siren")
AUDIOSET = [f"sound {number}" for number in range(524)]


def test_without_names_the_scores_are_in_the_order_of_the_store() -> None:
    columns = score_columns(3, STORE, "label", None, "model")
    assert (columns.labels, columns.numbers) == (STORE, (0, 1, 2))


def test_named_classes_are_brought_into_the_order_of_the_store_and_others_are_left_out() -> None:
    columns = score_columns(527, STORE, "label", ["siren", *AUDIOSET, "rain", "bird"], "--labels")
    assert (columns.labels, columns.numbers) == (STORE, (526, 525, 0))


@pytest.mark.parametrize("target", ["label", "labels"])
def test_a_head_with_other_classes_is_refused_with_the_remedy(target: str) -> None:
    with pytest.raises(ModelError, match=r"gives 527 scores per clip, but the store has 3 labels \(bird, rain, siren\); .* --labels FILE"):
        score_columns(527, STORE, target, None, "model")


def test_as_many_classes_that_call_themselves_something_else_are_refused() -> None:
    with pytest.raises(ModelError, match=r"ast: no class is called 'bird'.* Did you mean 'birds'\?"):
        score_columns(3, STORE, "label", ["birds", "rain", "siren"], "ast")


def test_numbers_of_one_are_singular() -> None:
    with pytest.raises(ModelError, match=r"gives 3 scores per clip, but the store has 1 label \(bird\)"):
        score_columns(3, ("bird",), "label", None, "model")
    with pytest.raises(ModelError, match=r"gives 2 scores per clip, but --labels names 1 class \(bird\)"):
        score_columns(2, STORE, "label", ["bird"], "--labels")


def test_names_that_contradict_the_models_own_are_reported() -> None:
    message = contradiction(["bird", "siren", "rain"], ["bird", "rain", "siren"], STORE)
    assert message.startswith("--labels calls score 2 'siren', but the model itself calls it 'rain', which is a label of the store, too;")
    assert contradiction(["bonafide"], ["spoof"], ("bonafide", "spoof"))
    assert not contradiction(STORE, STORE, STORE)
    assert not contradiction(["bird", "rain", "siren"], ["Bird", "Rain", "Siren"], STORE)


def test_too_few_names_are_refused() -> None:
    with pytest.raises(ModelError, match=r"gives 3 scores per clip, but --labels names 2 classes \(bird, rain\)"):
        score_columns(3, STORE, "label", ["bird", "rain"], "--labels")


def test_one_score_needs_the_label_that_it_speaks_for() -> None:
    with pytest.raises(ModelError, match=r"--labels bonafide or --labels spoof"):
        score_columns(1, ("bonafide", "spoof"), "label", None, "model")
    with pytest.raises(ModelError, match=r"names bonafide, spoof; name the label that a high score speaks for"):
        score_columns(1, ("bonafide", "spoof"), "label", ("bonafide", "spoof"), "--labels")
    assert score_columns(1, ("bonafide", "spoof"), "label", ("spoof",), "--labels").labels == ("spoof",)


@pytest.mark.parametrize(("labels", "target"), [(STORE, "label"), (("a", "b"), "labels")])
def test_one_score_cannot_tell_more_labels_apart(labels: tuple[str, ...], target: str) -> None:
    with pytest.raises(ModelError, match=r"cannot tell the store's \d labels apart"):
        score_columns(1, labels, target, None, "model")


def test_names_come_from_a_file_or_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("Bark, dog\nRain\n\n")
    assert read_labels(str(tmp_path / "classes.txt")) == ("Bark, dog", "Rain")
    assert read_labels(",".join(AUDIOSET)) == tuple(AUDIOSET)
    with pytest.raises(ModelError, match="'Rain' is there twice"):
        read_labels("Rain,Rain")
    with pytest.raises(ModelError, match="names no class"):
        read_labels(" ,")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="not readable as text"):
        read_labels(str(tmp_path / "classes.txt"))
