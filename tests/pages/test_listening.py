"""A clip is heard as the original beside a mild and a harsh condition of each codec."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.codecs.base import Audio
from streamaug.errors import StoreError
from streamaug.pages.listening import by_codec, player_of, players_of
from streamaug.store import Store


@pytest.mark.parametrize(
    ("conditions", "kinds"),
    [
        (["original"], {}),
        (["original", "mp3_128", "mp3_64", "mp3_32"], {"mp3": ("mp3_128", "mp3_32")}),
        (["amr-nb_12.2", "amr-nb_4.75"], {"amr-nb": ("amr-nb_12.2", "amr-nb_4.75")}),
        (["pitch", "pitch+mp3_32", "pitch+mp3_64"], {"pitch": ("pitch",), "pitch + mp3": ("pitch+mp3_64", "pitch+mp3_32")}),
    ],
)
def test_of_each_kind_of_coding_the_highest_and_the_lowest_bitrate_are_heard(
    conditions: list[str], kinds: dict[str, tuple[str, ...]]
) -> None:
    assert by_codec(conditions) == kinds


def test_what_is_heard_is_what_the_store_reads_and_begins_where_it_begins(kinds: dict[str | None, Path]) -> None:
    store = Store.open(kinds["label"])
    clip_id = store.clips["clip_id"][0].as_py()
    coded = [name for name in store.conditions if name != "original"]
    found = players_of(store, clip_id, store.conditions, {coded[0]: "bus (wrong)"}, seconds=0.5)
    assert len(found) == len(by_codec(store.conditions))
    assert all(players.players[0].caption == "original" for players in found)
    assert f"{coded[0]}: bus (wrong)" in [player.caption for players in found for player in players.players]
    for players in found:
        for player in players.players:
            audio = store.read(player.caption.split(":")[0], clip_id)
            heard, rate = soundfile.read(io.BytesIO(base64.b64decode(player.sound.base64)), dtype="float32")
            assert rate == audio.rate
            assert len(heard) == min(round(0.5 * rate), audio.samples.shape[-1])
            assert np.abs(heard.T - audio.samples[..., : len(heard)]).max() <= 0.5 / 32_768


def test_a_clip_that_is_not_there_is_named(kinds: dict[str | None, Path]) -> None:
    with pytest.raises(StoreError, match="nobody"):
        players_of(Store.open(kinds["label"]), "nobody", ["original", "mp3_64"])


def test_a_player_says_which_condition_it_plays() -> None:
    player = player_of(Audio(samples=np.zeros(8_000, np.float32), rate=8_000), "mp3_64")
    assert player.caption == "mp3_64"
    assert player.picture is not None
    assert player.picture.alt == "spectrogram of mp3_64"
