"""Formats that make FFmpeg open other files or servers are refused wherever a file may name one."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from streamaug.codecs import Decoding, load_settings
from streamaug.errors import ConditionError, CorruptError
from streamaug.store.index import Index
from tests.fuzz.targets.stores import small_store

PLAYLISTS = ("concat", "hls", "dash", "sdp", "rtsp", "image2", "lavfi", "alsa", "webm_dash_manifest")


@pytest.mark.parametrize("demuxer", [*PLAYLISTS, "nonsense"])
def test_a_playlist_is_not_a_bitstream(demuxer: str) -> None:
    with pytest.raises(ValidationError, match="name no other files"):
        Decoding(codec="mp3", demuxer=demuxer)


@pytest.mark.parametrize("demuxer", PLAYLISTS)
def test_settings_cannot_name_one(tmp_path: Path, demuxer: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"codecs: {{mp3: {{demuxer: {demuxer}}}}}")
    with pytest.raises(ConditionError, match=f"codecs.mp3.demuxer: .*'{demuxer}'"):
        load_settings(path)


def test_an_index_that_names_one_is_refused(tmp_path: Path) -> None:
    index = small_store(tmp_path / "store").index("mp3_64")
    hostile = index.meta.model_copy(update={"decoding": Decoding.model_construct(codec="mp3", demuxer="concat", channels=1, decoder=None)})
    with pytest.raises(CorruptError, match=r"index\.parquet: .*'concat' is not one of those that hold sound"):
        Index.from_bytes(Index(meta=hostile, table=index.table).to_bytes(), "index.parquet")
