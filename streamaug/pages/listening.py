"""A clip to hear in its conditions: the original beside a mild and a harsh one of each codec."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamaug.codecs.base import Audio
from streamaug.conditions import Condition
from streamaug.links import Link
from streamaug.pages.page import Picture, Player, Players
from streamaug.pages.sound import browser_sound
from streamaug.pages.spectrogram import picture_of
from streamaug.store import Store

ORIGINAL = "original"


def by_codec(conditions: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The mildest and the harshest condition of each kind of coding, by its name.

    Args:
        conditions: Names of conditions of one store; `original` is left out.

    >>> by_codec(["original", "aac_32", "aac_48", "aac_64", "sbc_64", "sbc_64+aac_64"])
    {'aac': ('aac_64', 'aac_32'), 'sbc': ('sbc_64',), 'sbc + aac': ('sbc_64+aac_64',)}
    """
    kinds: dict[str, list[tuple[list[float], str]]] = {}
    for name in conditions:
        if steps := Condition.parse(name).steps:
            rates = [step.kbps for step in steps if step.is_codec]
            kinds.setdefault(" + ".join(step.name for step in steps), []).append((rates, name))
    ordered = {kind: [name for _, name in sorted(found, reverse=True)] for kind, found in kinds.items()}
    return {kind: tuple(dict.fromkeys([names[0], names[-1]])) for kind, names in ordered.items()}


def player_of(audio: Audio, title: str, caption: str = "") -> Player:
    """A player with a spectrogram.

    Args:
        audio: What is heard.
        title: Name of the condition.
        caption: More about it. Default: the title alone.
    """
    picture = Picture(png=picture_of({title: audio}), alt=f"spectrogram of {title}")
    return Player(caption=f"{title}: {caption}" if caption else title, sound=browser_sound(audio), picture=picture)


def players_of(
    store: Store,
    clip_id: str,
    conditions: Sequence[str],
    captions: Mapping[str, str] | None = None,
    *,
    seconds: float = 5.0,
    links: Mapping[str, Link] | None = None,
) -> list[Players]:
    """Players for each kind of coding, the original first in each.

    Args:
        store: The opened store.
        clip_id: The clip.
        conditions: Conditions to choose from.
        captions: For some conditions, more about it, such as what a model answers.
        seconds: Of a longer clip, how much of its start is heard: each player adds as much to the page.
        links: Links that the conditions may name. Default: presets alone.

    Raises:
        StoreError: The store does not have a condition, or the condition does not have the clip.
        CorruptError: A bitstream is damaged.
        FetchError: A bitstream could not be read.
    """
    captions = captions or {}

    def player(condition: str) -> Player:
        audio = store.read(condition, clip_id, links=links)
        excerpt = replace(audio, samples=audio.samples[..., : round(seconds * audio.rate)])
        return player_of(excerpt, condition, captions.get(condition, ""))

    original = [player(ORIGINAL)] if ORIGINAL in store.conditions else []
    return [
        Players(title=kind, players=[*original, *(player(condition) for condition in chosen)])
        for kind, chosen in by_codec(conditions).items()
    ]
