"""The card of a model: the same bytes for the same answers, true to its figures, safe to open."""

import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pytest

from streamaug.errors import CorruptError
from streamaug.quality.measures import MEASURES
from streamaug.quality.measures.peaq_basic import peaq_columns
from streamaug.quality.peaq import VARIABLES, Peaq
from streamaug.quality.table import Quality, meta_of, quality_file, table_of
from streamaug.store import Store
from streamaug.stress.analyse import analyse
from streamaug.stress.analysis.answers import answers_of
from streamaug.stress.card import grades_of, write_card
from streamaug.stress.card_file import CARD_FILE, CARD_FORMAT, read_card
from streamaug.stress.charts import grade_chart
from streamaug.stress.predictions import Predictions
from tests.browser import check_page
from tests.stress.made import answers, predictions_of, settings_of, store_predictions

LABELS = ("cat", "dog", "owl")
CAT, DOG, OWL = [1, 0, 0], [0, 1, 0], [0, 0, 1]


def card_of(clips, scores, **options):
    made = answers(clips, scores, LABELS, options.pop("groups", None))
    return analyse(made, settings=settings_of(), snapshot="0" * 16, **options)


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_the_headline_says_what_coding_costs_in_numbers():
    clips = {f"c{number}": "cat" for number in range(10)}
    scores = {
        "original": [CAT] * 10,
        "aac_32": [CAT] * 10,
        "mp3_32": [DOG] * 5 + [CAT] * 5,
        "mp3_64": [CAT] * 10,
        "sbc_64": [DOG] * 7 + [CAT] * 3,
    }
    assert card_of(clips, scores, drop=0.25).headline == (
        "model: accuracy 1.000 on the original and 0.300 in sbc_64, the worst of 4 other conditions; it loses more than 25 % of its "
        "accuracy below 45 kbps of mp3, at every tested bitrate of sbc (up to 64 kbps), at no tested bitrate of aac (down to 32 kbps)."
    )


def test_a_change_has_the_interval_of_the_paired_difference():
    clips = {f"c{number:02}": "cat" for number in range(40)}
    card = card_of(clips, {"original": [CAT] * 20 + [DOG] * 20, "mp3_32": [CAT] * 10 + [DOG] * 30})
    original, coded = card.conditions
    assert (original.value, coded.value, coded.difference) == (0.5, 0.25, -0.25)
    assert original.difference == original.difference_low == original.difference_high == 0
    assert coded.difference_low == pytest.approx(-0.25 - 1.96 * math.sqrt(0.25 * 0.75 / 40), abs=0.03)
    assert coded.difference_high == pytest.approx(-0.25 + 1.96 * math.sqrt(0.25 * 0.75 / 40), abs=0.03)


def test_clips_of_one_group_have_no_interval():
    clips = {"a": "cat", "b": "dog", "c": "owl"}
    card = card_of(clips, {"original": [CAT, DOG, OWL], "mp3_32": [CAT, CAT, OWL]}, groups=dict.fromkeys(clips, "tape"))
    assert card.resamples == 0
    assert card.conditions[1].low is card.conditions[1].difference_low is card.breaking[0].low is None


def test_a_recipe_marks_what_was_trained_on(written):
    _, card = written
    assert {each.condition: each.familiarity for each in card.conditions} == {
        "original": "original",
        "aac_32": "unseen codec",
        "mp3_32": "unseen bitrate",
        "mp3_64": "seen",
        "mp3_32+aac_32": "unseen codec",
    }


def test_the_file_is_strict_json_and_comes_back_as_the_same_card(written):
    folder, card = written
    data = (folder / CARD_FILE).read_bytes()
    assert json.loads(data, parse_constant=refuse)["format"] == CARD_FORMAT
    assert read_card(folder / CARD_FILE) == card
    assert card.to_bytes() == data


def test_another_machine_writes_the_same_bytes(coded):
    """Its rows may come in another order, and its scores may differ in the last bits."""
    made = store_predictions(coded, 0)
    scores = [[np.nextafter(np.float32(score), np.float32(2)).item() for score in each] for each in made.table["scores"].to_pylist()]
    table = made.table.set_column(4, made.table.schema.field("scores"), pa.array(scores, pa.list_(pa.float32())))
    other = Predictions(table=table.take(pa.array(np.random.default_rng(0).permutation(len(table)))), columns=made.columns, keys=made.keys)
    labels = coded.manifest.labels
    one, two = (analyse(answers_of(each, labels, "p"), settings=settings_of(), snapshot="0" * 16).to_bytes() for each in (made, other))
    assert made.table != other.table
    assert one == two


def test_a_card_names_no_path_and_no_date(coded, written):
    text = (written[0] / CARD_FILE).read_text()
    assert [word for word in (coded.url, str(written[0]), str(coded.manifest.created.year)) if word in text] == []


def test_grades_of_the_store_are_used_where_they_are(coded, tmp_path):
    store = Store.open(shutil.copytree(coded.url, tmp_path / "store"))
    ids = store.index("mp3_32").table["clip_id"].to_pylist()
    zeros = {"di": 0.0, "movs": dict.fromkeys(VARIABLES, 0.0), "frames": 9, "bandwidth_frames": 9}
    graded = [peaq_columns(Peaq(odg=-number / 10, **zeros)) for number in range(len(ids))]
    meta = meta_of("mp3_32", store.index("mp3_32"), store.index("original"), MEASURES["peaq"])
    table = table_of(MEASURES["peaq"], ids, graded)
    (tmp_path / "store" / quality_file("mp3_32")).write_bytes(Quality(meta=meta, table=table).to_bytes())
    made = answers_of(store_predictions(store, 0), store.manifest.labels, "p")
    odg = grades_of(store, made)
    assert list(odg) == ["mp3_32"]
    assert odg["mp3_32"].tolist() == [-ids.index(clip) / 10 for clip in made.clip_ids]
    card = analyse(made, settings=settings_of(), snapshot="0" * 16, odg=odg)
    assert [(each.condition, each.clips) for each in card.grades] == [("mp3_32", len(ids))]
    assert sum(each.answers for each in card.grade_bins) == len(ids)
    assert grade_chart(card).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card | {"format": 99}, "format: Input should be less than or equal to"),
        (lambda card: card | {"format": 1}, "format: Input should be greater than or equal to 2"),
        (lambda card: card | {"extra": 1}, "extra: Extra inputs are not permitted"),
        (lambda card: card | {"clips": -1}, "clips: "),
        (lambda card: card | {"conditions": []}, "conditions: "),
        (lambda card: card | {"chance": float("nan")}, "chance: Input should be a finite number"),
        (lambda card: [card], "Input should be an object"),
    ],
    ids=["format", "earlier", "extra", "clips", "conditions", "nan", "list"],
)
def test_a_card_that_is_not_one_is_refused_and_names_the_key(written, tmp_path, change, message):
    path = tmp_path / CARD_FILE
    path.write_text(json.dumps(change(json.loads((written[0] / CARD_FILE).read_text()))))
    with pytest.raises(CorruptError, match=rf"card\.json: not a card of this version: .*{message}"):
        read_card(path)


def test_no_card_and_a_cut_off_one_are_refused(tmp_path, written):
    with pytest.raises(CorruptError, match="give the folder of a card"):
        read_card(tmp_path / CARD_FILE)
    (tmp_path / CARD_FILE).write_bytes((written[0] / CARD_FILE).read_bytes()[:-100])
    with pytest.raises(CorruptError, match="not a card of this version"):
        read_card(tmp_path / CARD_FILE)


def test_several_labels_are_judged_by_average_precision(browser, kinds, tmp_path):
    several = Store.open(kinds["labels"])
    labels, ids = several.manifest.labels, several.clips["clip_id"].to_pylist()
    rng = np.random.default_rng(0)
    clips = dict(zip(ids, several.clips["labels"].to_pylist(), strict=True))
    scores = {name: rng.random((len(ids), len(labels))) for name in several.conditions}
    card = write_card(tmp_path, predictions_of(clips, scores, labels), several, settings_of(columns=labels))
    assert card.metric == "mAP"
    assert not card.confusions
    page = (tmp_path / "card.html").read_text()
    assert "Mean average precision" in page
    assert "What classes turn into" not in page
    check_page(browser, tmp_path / "card.html")


def test_a_single_score_makes_a_card_of_equal_error_rates():
    made = answers(
        {f"c{number}": ("real", "fake")[number % 2] for number in range(20)},
        {name: [[number % 2 + shift * (number % 4 == 0)] for number in range(20)] for name, shift in (("original", 0), ("mp3_32", 5))},
        ["fake"],
        labels=("real", "fake"),
    )
    card = analyse(made, settings=settings_of(columns=["fake"]), snapshot="0" * 16)
    assert (card.metric, card.chance) == ("EER", 0.5)
    assert [each.value for each in card.conditions] == [0, 0.5]
    assert card.worst[0].label == "real"
    assert "1 − EER" in card.headline


def test_settings_of_another_model_are_another_card():
    clips, scores = {"a": "cat", "b": "dog"}, {"original": [CAT, DOG]}
    made = answers(clips, scores, LABELS)
    one = analyse(made, settings=settings_of(), snapshot="0" * 16)
    other = analyse(made, settings=settings_of().model_copy(update={"rate": 16_000}), snapshot="0" * 16)
    assert one.to_bytes() != other.to_bytes()
