"""Lists of conditions by name: what each holds, and that a build leaves out what a machine lacks."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamaug import Store
from streamaug.building.build import build
from streamaug.cli.main import app
from streamaug.codecs import calibrate, load_settings
from streamaug.codecs.encoders import amrwb, ffmpeg
from streamaug.codecs.presets import preset, preset_names, requested_conditions
from streamaug.conditions import Condition, Step, parse_conditions
from streamaug.errors import ConditionError, EncoderError
from streamaug.verifying.verify import verify
from tests.building.clips import write_clips
from tests.in_process import InProcess

NAMES = ("paper", "asvspoof5", "broadcast", "call", "le-audio")


def test_the_presets_are_those_of_the_folder() -> None:
    assert preset_names() == NAMES
    assert [str(condition) for condition in preset("paper")] == list(load_settings().conditions)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"asvspoof5"}))  # which is built below
def test_each_begins_with_the_original_and_every_codec_in_it_can_be_had(name: str) -> None:
    original, *others = preset(name)
    assert str(original) == "original"
    assert len(set(others)) == len(others)
    reasons = {str(step): why_not(step) for condition in others for step in condition.steps}
    assert not {step: reason for step, reason in reasons.items() if reason and "on this machine" not in reason}


def why_not(step: Step) -> str:
    """Why this machine cannot run a codec step; empty if it can."""
    try:
        calibrate(step, load_settings(), 48_000)
    except EncoderError as error:
        return str(error)
    return ""


def test_a_request_mixes_conditions_and_presets_and_only_those_of_presets_are_optional() -> None:
    requested = requested_conditions("mp3_64, @broadcast,lc3_80,@le-audio")
    names = [str(condition) for condition in requested.conditions]
    assert names[:3] == ["mp3_64", "original", "mp2_64"]
    assert len(names) == len(set(names))
    assert requested.optional == {*preset("broadcast"), *preset("le-audio")} - set(parse_conditions("mp3_64,lc3_80"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@asvspoof", "no preset '@asvspoof'. Did you mean '@asvspoof5'?"),
        ("@x", "Available: @paper, @asvspoof5, @broadcast, @call, @le-audio"),
        ("@call,MP3", "'MP3' is not a step"),
        (" , ", "list of conditions is empty"),
        ("@", "no preset '@'"),
    ],
)
def test_another_request_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(message)):
        requested_conditions(text)


def test_help_names_all_of_them() -> None:
    output = " ".join(CliRunner().invoke(app, ["build", "--help"], env={"COLUMNS": "300"}).stdout.split())
    assert all(f"@{name}" in output for name in NAMES)


def test_what_a_machine_cannot_build_of_a_preset_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = write_clips(tmp_path / "clips", 4, seconds=0.5)
    caches = (amrwb._library, amrwb.version, ffmpeg.version, ffmpeg.encoder_names)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for cached in caches:
        cached.cache_clear()
    try:
        requested = requested_conditions("@call")
        arguments = {"conditions": requested.conditions, "optional": requested.optional, "workers": 1}
        built = build(clips, str(tmp_path / "store"), **arguments)
        with pytest.raises(EncoderError, match="'gsm_13': no encoder for codec 'gsm' on this machine"):
            build(clips, str(tmp_path / "store"), **{**arguments, "optional": ()})
    finally:
        for cached in caches:
            cached.cache_clear()
    assert set(built.skipped_conditions) == {"gsm_13", "amr-wb_12.65", "amr-wb_23.85"}
    assert "has libgsm (Debian/Ubuntu: 'apt-get install ffmpeg')" in built.skipped_conditions["gsm_13"]
    assert "install libvo-amrwbenc" in built.skipped_conditions["amr-wb_12.65"]
    assert set(built.conditions) == {str(condition) for condition in requested.conditions} - set(built.skipped_conditions)
    report = verify(Store.open(str(tmp_path / "store")), decode=True, executor=InProcess())
    assert report.findings == ()


def test_recordings_of_esc10_are_built_and_verified(tmp_path: Path, shared_data: Path) -> None:
    lines = (shared_data / "esc10" / "clips.csv").read_text().splitlines()
    table = [lines[0], *(f"{shared_data / 'esc10'}/{line}" for line in lines[1::110])]
    (tmp_path / "clips.csv").write_text("\n".join(table))
    requested = requested_conditions("@asvspoof5")
    built = build(
        tmp_path / "clips.csv",
        str(tmp_path / "store"),
        conditions=requested.conditions,
        optional=requested.optional,
        rate=16_000,
        seconds=2,
        shard_by="label",
        executor=InProcess(),
    )
    assert not [reason for reason in built.skipped_conditions.values() if "on this machine" not in reason]
    store = Store.open(str(tmp_path / "store"))
    assert {"opus-wb_16", "mp3_96", "aac_48", "opus-nb_12", "amr-nb_7.4", "msbc_60"} <= set(store.conditions)
    assert verify(store, decode=True, executor=InProcess()).findings == ()


def test_doctor_tries_a_preset() -> None:
    result = CliRunner().invoke(app, ["doctor", "--rate", "16000", "--conditions", "@le-audio"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(str(condition) in result.stdout for condition in preset("le-audio"))


def test_a_condition_of_a_preset_that_is_also_asked_for_by_name_must_be_built() -> None:
    requested = requested_conditions("@call,amr-wb_12.65")
    assert Condition.parse("amr-wb_12.65") not in requested.optional
