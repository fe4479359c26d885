"""What cannot work is refused when the stream is opened."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamaug import Cache, Store, Stream
from streamaug.errors import StreamaugError
from streamaug.recipes import Recipe


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"features": "log-mel"}, "Did you mean 'logmel'?"),
        ({"features": ["logmel"]}, "write a mapping of batch keys"),
        ({"batch_size": "24"}, "batch_size='24': write a whole number"),
        ({"batch_size": 24.0}, "batch_size=24.0: write a whole number"),
        ({"rank": "0", "world": 1}, "rank='0': write a whole number"),
        ({"tail": "Drop"}, "tail='Drop': write 'drop'"),
        ({"on_corrupt": "Replace"}, "on_corrupt='Replace': write 'raise' or 'replace'"),
        ({"threads": "2"}, "threads='2': write 1 or more"),
        ({"threads": 0}, "threads=0: write 1 or more"),
        ({"workers": 0}, "workers=0: write 1 or more"),
        ({"workers": True}, "workers=True: write 1 or more"),
        ({"workers": 2, "threads": 2}, "write workers=2 for so many decode processes, or threads=2"),
        ({"workers": "processes", "threads": 2}, "write workers=2 for so many decode processes, or threads=2"),
        ({"workers": "thread"}, "Did you mean 'threads'?"),
        ({"deadline": "60"}, "deadline='60': write the seconds"),
        ({"feature_cache": 3}, "cache 3 is neither a folder nor a cache"),
        ({"byte_cache": Cache}, "is neither a folder nor a cache"),
        ({"recipe": 3}, "int is not a recipe"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_named(store: Store, recipe: Recipe, arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(StreamaugError) as caught:
        Stream(**{"recipe": recipe, "store": store, "features": "waveform", **arguments})
    assert expected in str(caught.value)


@pytest.mark.parametrize("kind", [str, Path, lambda folder: Cache(folder=folder)])
def test_a_cache_is_a_folder_or_a_cache(store: Store, recipe: Recipe, tmp_path: Path, kind: Any) -> None:
    list(Stream(recipe, store, batch_size=48, features="static", feature_cache=kind(tmp_path / "cache")))
    assert list((tmp_path / "cache").iterdir())


def test_a_dictionary_streams_as_its_yaml_does(store: Store, tmp_path: Path) -> None:
    data = {"draw": "one-per-clip", "mixture": {"original": 1, "mp3_64": 2}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    one, other = (Stream(recipe, store, batch_size=16, features="waveform") for recipe in (data, tmp_path / "recipe.yaml"))
    assert one.plan.identity == other.plan.identity
    assert [batch["clip_id"] for batch in one] == [batch["clip_id"] for batch in other]
