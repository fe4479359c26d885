"""Effects are sharded like codecs, alone and before a codec."""

import numpy as np
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.store import Store
from tests.in_process import InProcess

RATE = 16_000


def test_effects_and_chains_become_conditions_and_a_second_build_gives_the_same_bytes(tmp_path):
    lines = ["path,label,split,group,device"]
    for place in range(3):
        for device in "ab":
            name = f"park-{place}-{device}"
            soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(place).uniform(-0.3, 0.3, RATE), RATE, subtype="PCM_16")
            lines.append(f"{name}.wav,park,train,place-{place},{device}")
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    conditions = parse_conditions("add,noise+mp3_64,spectrum-correction")
    stores = []
    for folder in ("first", "second"):
        build(tmp_path / "clips.csv", str(tmp_path / folder), conditions=conditions, executor=InProcess())
        stores.append(Store.open(tmp_path / folder))
    assert [len(stores[0].index(name)) for name in ("original", "add", "noise+mp3_64", "spectrum-correction")] == [6, 6, 6, 3]
    for name in stores[0].conditions:
        assert stores[0].index(name).digest == stores[1].index(name).digest
    assert [step.step for step in stores[0].index("noise+mp3_64").meta.steps] == ["noise", "mp3_64"]


def test_a_condition_that_applies_to_no_clip_is_left_out_with_the_reason(tmp_path):
    """`add` needs another clip of the same label."""
    lines = ["path,label,split"]
    for label in ("park", "tram"):
        soundfile.write(tmp_path / f"{label}.wav", np.random.default_rng(len(label) + ord(label[0])).uniform(-0.3, 0.3, RATE), RATE)
        lines.append(f"{label}.wav,{label},train")
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    built = build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=parse_conditions("add,mp3_64"), executor=InProcess())
    assert built.conditions == Store.open(tmp_path / "store").conditions == ("original", "mp3_64")
    assert built.skipped_conditions == {"add": "its effects apply to none of the clips"}
