"""Write the card of a model: card.json and card.html."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.condition_names import split_link
from streamaug.files import write_whole
from streamaug.links import Link
from streamaug.quality.table import find_quality
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.stress.analyse import analyse
from streamaug.stress.analysis.answers import Answers, answers_of
from streamaug.stress.card_file import CARD_FILE, Card
from streamaug.stress.card_page import card_page
from streamaug.stress.predictions import Predictions
from streamaug.stress.runs import load_runs
from streamaug.stress.settings import StressSettings

CARD_PAGE = "card.html"


def write_card(
    folder: Path,
    predictions: Predictions,
    store: Store,
    settings: StressSettings,
    *,
    drop: float = 0.05,
    recipe: Recipe | None = None,
    links: Mapping[str, Link] | None = None,
    runs: Sequence[Path] = (),
) -> Card:
    """Analyse predictions, and write card.json and card.html.

    Args:
        folder: Where to write; it exists.
        predictions: What the model answered.
        store: The store that it was evaluated on, in the same snapshot.
        settings: What decided the answers.
        drop: The loss that a breaking bitrate allows, as a share of the metric on the original.
            Default: 5 %.
        recipe: What the model was trained on. Default: unknown.
        links: The links of the conditions by name. Default: none.
        runs: Folders of training runs, for leave-one-out gaps. Default: none.

    Returns:
        The card.

    Raises:
        CorruptError: The predictions contradict themselves or the store.
        StoreError: The runs do not fit together.
        FetchError: A clip to hear could not be read.
    """
    answers = answers_of(predictions, store.manifest.labels, str(folder))
    card = analyse(
        answers,
        settings=settings,
        snapshot=store.snapshot,
        drop=drop,
        recipe=recipe,
        links=links,
        odg=grades_of(store, answers),
        runs=load_runs(runs),
    )
    write_whole(folder / CARD_PAGE, card_page(card, answers, store, links))
    write_whole(folder / CARD_FILE, card.to_bytes())
    return card


def grades_of(store: Store, answers: Answers) -> dict[str, np.ndarray]:
    """The grade of every answered clip in the conditions that have grades, NaN for a clip without.

    Args:
        store: The store; `streamaug quality` leaves grades in it.
        answers: The answers.

    Raises:
        CorruptError: The grades of a condition are damaged.
        FetchError: They could not be read.
    """
    odg = {}
    for condition in answers.conditions[1:]:
        if not split_link(condition)[1] and (quality := find_quality(store, condition)):
            rows = pc.index_in(pa.array(answers.clip_ids.tolist()), quality.table["clip_id"].combine_chunks())
            odg[condition] = pc.fill_null(quality.table["grade"].take(rows), np.nan).to_numpy()
    return odg
