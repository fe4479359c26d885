import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest
import soundfile

from streamaug.errors import ClipsError
from streamaug.splits import Split
from streamaug.store import Store
from tools.shard_tau2020 import read_clips

ROOT = Path(__file__).parents[2]
RATE = 44_100
TRAIN = (
    "audio/airport-lisbon-1000-40000-a.wav",
    "audio/airport-lisbon-1000-40000-s1.wav",
    "audio/metro_station-paris-1118-41500-b.wav",
    "audio/street_traffic-vienna-24-729-a.wav",
)
EVALUATE = ("audio/airport-milan-202-6008-s4.wav", "audio/metro_station-lyon-1096-44317-a.wav")
UNUSED = ("audio/airport-lisbon-1000-40001-s6.wav",)


def parts(filename):
    return Path(filename).stem.split("-")


def write_tau(folder, *, newline="\n", last_newline=True, train=TRAIN, evaluate=EVALUATE, tested=None):
    """A small data set of the published one's shape: 24-bit clips of noise, here of a third of a
    second.
    """

    def table(path, header, rows):
        text = newline.join("\t".join(row) for row in (header, *rows)) + (newline if last_newline else "")
        path.write_bytes(text.encode())

    (folder / "audio").mkdir(parents=True)
    (folder / "evaluation_setup").mkdir()
    every = (*TRAIN, *EVALUATE, *UNUSED)
    table(
        folder / "meta.csv",
        ("filename", "scene_label", "identifier", "source_label"),
        [(name, parts(name)[0], "-".join(parts(name)[1:3]), parts(name)[4]) for name in every],
    )
    for name, listed in (("fold1_train.csv", train), ("fold1_evaluate.csv", evaluate)):
        table(folder / "evaluation_setup" / name, ("filename", "scene_label"), [(file, parts(file)[0]) for file in listed])
    table(folder / "evaluation_setup" / "fold1_test.csv", ("filename",), [(file,) for file in (tested or evaluate)])
    for number, name in enumerate(every):
        noise = 0.1 * np.random.default_rng(number).standard_normal(RATE // 3)
        soundfile.write(folder / name, noise, RATE, subtype="PCM_24")
    return folder


def shard(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "shard_tau2020.py"), *map(str, arguments), "--conditions", "original", "--workers", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("last_newline", [True, False])
def test_tables_are_read_with_either_newline_and_without_the_last(tmp_path, newline, last_newline):
    clips = read_clips(write_tau(tmp_path, newline=newline, last_newline=last_newline))
    assert [clip.path for clip in clips] == [*TRAIN, *EVALUATE]
    assert [clip.split for clip in clips] == ["train"] * 4 + ["evaluate"] * 2
    station = clips[2]
    assert (station.label, station.city, station.location, station.segment, station.device) == (
        "metro_station",
        "paris",
        "1118",
        "41500",
        "b",
    )
    assert station.group == "paris-1118"


def test_the_store_keeps_scene_city_location_device_and_segment(tmp_path):
    done = shard(write_tau(tmp_path / "tau"), tmp_path / "store")
    assert done.returncode == 0, done.stderr
    store = Store.open(tmp_path / "store")
    assert (store.manifest.name, store.manifest.rate, store.manifest.shard_by) == ("tau2020", RATE, "split")
    assert store.clips.num_rows == 6
    assert set(store.clips["depth"].to_pylist()) == {24}
    assert len(Split.parse("evaluate").rows(store.clips)) == 2
    clip = store.clips.to_pylist()[store.clips["clip_id"].to_pylist().index("metro_station-lyon-1096-44317-a")]
    assert {name: clip[name] for name in ("label", "split", "group", "city", "location", "segment", "device")} == {
        "label": "metro_station",
        "split": "evaluate",
        "group": "lyon-1096",
        "city": "lyon",
        "location": "1096",
        "segment": "44317",
        "device": "a",
    }


def test_listed_files_that_are_missing_are_all_named_and_stop_the_build(tmp_path):
    tau = write_tau(tmp_path / "tau")
    missing = (TRAIN[1], EVALUATE[0])
    for name in missing:
        (tau / name).unlink()
    done = shard(tau, tmp_path / "store")
    assert done.returncode == 1
    assert all(name in done.stderr for name in missing)
    assert "2 of 6 listed files are missing" in done.stderr
    assert "--skip-bad" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def test_listed_clips_that_meta_csv_lacks_are_problems_of_those_clips(tmp_path):
    unknown = ("audio/bus-oslo-1-2-a.wav", "audio/bus-oslo-1-3-a.wav")
    tau = write_tau(tmp_path / "tau", train=(*TRAIN, *unknown))
    (tau / unknown[0]).write_bytes((tau / UNUSED[0]).read_bytes())
    done = shard(tau, tmp_path / "store")
    assert done.returncode == 1
    assert "2 of 8 listed files are not in meta.csv, such as audio/bus-oslo-1-2-a.wav" in done.stderr
    assert "1 of 8 listed files are missing, such as audio/bus-oslo-1-3-a.wav" in done.stderr
    assert not (tmp_path / "store").exists()
    done = shard(tau, tmp_path / "store", "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert Store.open(tmp_path / "store").clips.num_rows == 6
    rejected = pacsv.read_csv(tmp_path / "store" / "rejected.csv").to_pylist()
    assert sorted((row["clip_id"], row["problem"].split(";")[0]) for row in rejected) == [
        ("bus-oslo-1-2-a", "not in the data set's meta.csv"),
        ("bus-oslo-1-3-a", "missing"),
        ("bus-oslo-1-3-a", "not in the data set's meta.csv"),
    ]


def test_the_folder_that_soundata_makes_is_read(tmp_path):
    write_tau(tmp_path / "home" / "TAU-urban-acoustic-scenes-2020-mobile-development")
    done = shard(tmp_path / "home", tmp_path / "store")
    assert done.returncode == 0, done.stderr
    assert Store.open(tmp_path / "store").clips.num_rows == 6


def test_the_rest_is_built_when_told_so_and_the_missing_stand_in_rejected_csv(tmp_path):
    tau = write_tau(tmp_path / "tau")
    (tau / TRAIN[1]).unlink()
    done = shard(tau, tmp_path / "store", "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert TRAIN[1] in done.stderr
    assert Store.open(tmp_path / "store").clips.num_rows == 5
    assert pacsv.read_csv(tmp_path / "store" / "rejected.csv")["clip_id"].to_pylist() == [Path(TRAIN[1]).stem]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": (*TRAIN, TRAIN[0])}, r"fold1_train\.csv: audio/airport-lisbon-1000-40000-a\.wav is listed twice"),
        ({"train": (*TRAIN, EVALUATE[0])}, r"airport-milan-202-6008-s4\.wav is listed twice"),
        ({"tested": EVALUATE[:1]}, r"metro_station-lyon-1096-44317-a\.wav is in only one of fold1_test\.csv"),
    ],
)
def test_lists_that_contradict_each_other_are_refused(tmp_path, changes, message):
    with pytest.raises(ClipsError, match=message):
        read_clips(write_tau(tmp_path, **changes))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tlisbon-1000\t", "\tlisbon-1001\t", "contradicts its name"),
        ("\tparis-1118\tb", "\tparis-1118\tc", "contradicts its name"),
        ("identifier", "place", "no column 'identifier'"),
        ("\tvienna-24\ta", "", "line 5: a value is missing; fill all 4 columns"),
        ("\t", ",", "no column"),
    ],
)
def test_a_meta_table_that_is_damaged_is_refused(tmp_path, old, new, message):
    write_tau(tmp_path)
    meta = tmp_path / "meta.csv"
    meta.write_text(meta.read_text().replace(old, new))
    with pytest.raises(ClipsError, match=message):
        read_clips(tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "audio/bus-oslo-1-a.wav", "audio/../x-oslo-1-2-a.wav", "/audio/bus-oslo-1-2-a.wav"])
def test_a_file_name_of_another_form_is_refused(tmp_path, name):
    write_tau(tmp_path)
    for table in (tmp_path / "meta.csv", tmp_path / "evaluation_setup" / "fold1_train.csv"):
        table.write_text(table.read_text().replace(TRAIN[0], name))
    with pytest.raises(ClipsError, match="is not named audio/SCENE-CITY-LOCATION-SEGMENT-DEVICE"):
        read_clips(tmp_path)


def test_another_folder_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ClipsError, match=r"meta\.csv is missing.*--download"):
        read_clips(tmp_path)
