"""The section of a card with the worst clips to hear."""

from collections.abc import Mapping, Sequence

from streamaug.codecs.base import Audio
from streamaug.links import Link
from streamaug.pages.page import Part, Picture, Player, Players, Section, Text
from streamaug.pages.sound import browser_sound
from streamaug.pages.spectrogram import picture_of
from streamaug.store import Store
from streamaug.stress.analysis.worst import ChangedClip
from streamaug.stress.card_file import Card
from streamaug.stress.number_texts import score_text

HEARD_S = 20
"""Seconds of a long clip that the page contains."""

_CHANGED = "Clips that the model is right and sure about on the original, and wrong and sure about when coded."
_CHANGED_SCORES = "Clips in which coding changes the score of a class most for the worse."
_HOW = (
    "What plays is what the store gives a model: decoded, and sample-aligned with the original. Start one while the other plays, and it "
    "continues at the same place. The numbers are the model's own scores."
)


def clips_section(card: Card, store: Store, links: Mapping[str, Link]) -> Section:
    """The worst clips: original next to coded, spectrograms under each other, both answers.

    Args:
        card: The card.
        store: Where the clips are.
        links: The links of the conditions by name.

    Raises:
        CorruptError: A clip is damaged.
        FetchError: A clip could not be read.
    """
    parts: list[Part] = [Text(text=f"{_CHANGED_SCORES if card.metric == 'mAP' else _CHANGED} {_HOW}")]
    for number, clip in enumerate(card.worst, start=1):
        sounds = {name: store.read(name, clip.clip_id, links=links) for name in ("original", clip.condition)}
        heard = {name: _first_seconds(sound) for name, sound in sounds.items()}
        cut = f" (the first {HEARD_S} s)" if heard["original"].samples.shape[-1] < sounds["original"].samples.shape[-1] else ""
        players = [
            Player(caption=f"{name}{cut}: {_scores(scores)}", sound=browser_sound(heard[name]))
            for name, scores in (("original", clip.original), (clip.condition, clip.coded))
        ]
        picture = Picture(png=picture_of(heard), alt=f"spectrograms of clip {clip.clip_id}: original above {clip.condition}")
        parts += [Players(title=f"{number}. {_sentence(clip, card.metric)}", players=players), picture]
    return Section(title="The worst clips to hear", parts=parts)


def _first_seconds(audio: Audio) -> Audio:
    return Audio(samples=audio.samples[..., : HEARD_S * audio.rate], rate=audio.rate)


def _scores(scores: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{label} {score_text(score)}" for label, score in scores)


def _sentence(clip: ChangedClip, metric: str) -> str:
    """What happens to a clip."""
    (first, before), (answer, after) = clip.original[0], clip.coded[0]
    scores = f"scores {score_text(before)} on the original and {score_text(after)} in {clip.condition}"
    if metric == "mAP":
        return f"Clip {clip.clip_id} {'has' if clip.label in clip.labels else 'does not have'} {first}, which {scores}."
    if len(clip.original) == 1:
        return f"Clip {clip.clip_id} is {clip.label}. {first} {scores}."
    return f"Clip {clip.clip_id} is {clip.label}, and in {clip.condition} the model answers {answer}."
