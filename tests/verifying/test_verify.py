"""Everything that can happen to a store is found and named."""

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.cli.main import app
from streamaug.conditions import parse_conditions
from streamaug.effects import LoadClip
from streamaug.errors import StoreError
from streamaug.progress import Progress
from streamaug.store import Index, Store
from streamaug.store.folder import Folder
from streamaug.store.format import IndexMeta, settings_hash
from streamaug.store.tars import BLOCK, header
from streamaug.store.writing import write_manifest
from streamaug.testing import replace_tables
from streamaug.verifying.findings import Finding
from streamaug.verifying.verify import verify
from tests.building.clips import Log, content, write_clips

CONDITIONS = "original,mp3_32,mulaw_64+aac_32,late,late+aac_32"
LATE = 100


@dataclass(frozen=True)
class Late:
    """An effect that delays: codecs after it are aligned with it, and not with the original."""

    version: str = "1"
    arguments: Mapping[str, str] = ()  # type: ignore[assignment]  # none; a dataclass takes no dict as a default

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "Late":
        return self

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        return clip["device"] == "0"

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:
        return np.pad(signal, (LATE, 0))[: len(signal)]


def make(folder: Path, clips: Path, conditions: str = CONDITIONS, progress: Progress | None = None, *, clips_per_shard: int = 4) -> Path:
    with ThreadPoolExecutor(2) as executor:
        build(
            clips,
            str(folder),
            conditions=parse_conditions(conditions),
            clips_per_shard=clips_per_shard,
            effects={"late": Late()},
            executor=executor,
            progress=progress,
        )
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 12)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    return make(tmp_path_factory.mktemp("built") / "store", clips)


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A store to break."""
    return Path(shutil.copytree(built, tmp_path / "store"))


def findings(store: Path, *, decode: bool = False, conditions: str | None = None) -> tuple[Finding, ...]:
    requested = parse_conditions(conditions) if conditions else None
    with ThreadPoolExecutor(2) as executor:
        return verify(Store.open(store), requested, decode=decode, executor=executor).findings


def shards(store: Path, condition: str = "mp3_32") -> list[Path]:
    return [store / condition / info.name for info in Store.open(store).index(condition).meta.shards]


def index_path(store: Path, condition: str = "mp3_32") -> Path:
    return store / condition / Store.open(store).manifest.conditions[condition].file


def rows(store: Path, shard: int, condition: str = "mp3_32") -> list[dict[str, Any]]:
    return [row for row in Store.open(store).index(condition).table.to_pylist() if row["shard"] == shard]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def rewrite(store: Path, condition: str, **changes: Any) -> None:
    """Write an index anew with other columns."""
    index = Store.open(store).index(condition)
    table = index.table
    for name, values in changes.items():
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    replace_tables(Store.open(store), indexes=[Index(meta=index.meta, table=table)])


def test_a_store_as_it_was_built_has_no_findings_in_bytes_and_sound(built: Path) -> None:
    assert findings(built, decode=True) == ()


def test_a_byte_flipped_in_a_bitstream_is_found_and_the_clip_named(store: Path) -> None:
    row = rows(store, 1)[2]
    flip(shards(store)[1], row["offset"] + row["size"] // 2)
    (found,) = findings(store)
    assert (found.condition, found.shard, found.clip) == ("mp3_32", shards(store)[1].name, row["clip_id"])
    assert "bitstream does not match its sha256" in found.message


def test_a_byte_flipped_anywhere_else_is_found(store: Path) -> None:
    path, intact = shards(store)[0], shards(store)[0].read_bytes()
    row = rows(store, 0)[0]
    end = row["offset"] + row["size"]
    offsets = {
        "header": row["offset"] - BLOCK + 3,
        "rights in the header": row["offset"] - BLOCK + 104,
        "padding": end if end % BLOCK else None,
        "json": end + -end % BLOCK + BLOCK + 5,
        "end": len(intact) - 1,
    }
    for offset in filter(None, offsets.values()):
        flip(path, offset)
        (found,) = findings(store, conditions="mp3_32")
        assert (found.condition, found.shard) == ("mp3_32", path.name)
        path.write_bytes(intact)
    assert findings(store, conditions="mp3_32") == ()


def test_a_byte_flipped_in_an_index_is_found(store: Path) -> None:
    path = index_path(store)
    intact = path.read_bytes()
    for offset in np.random.default_rng(0).integers(0, len(intact), 40).tolist():
        flip(path, offset)
        found = findings(store, conditions="mp3_32")
        assert [finding.condition for finding in found[:1]] == ["mp3_32"]
        path.write_bytes(intact)


@pytest.mark.parametrize(
    ("cut_at", "message"),
    [
        (lambda row: row["offset"] - BLOCK, "ends after"),
        (lambda row: row["offset"] - BLOCK // 2, "ends inside a header"),
        (lambda row: row["offset"] + row["size"] // 2, "ends inside '{clip}.mp3'"),
        (lambda row: row["offset"] + row["size"] + -row["size"] % BLOCK, "ends after '{clip}.mp3'"),
        (lambda row: 0, "ends after its start"),
    ],
    ids=["between two clips", "inside a header", "inside a bitstream", "between a bitstream and its JSON", "at its start"],
)
def test_a_tar_that_was_cut_off_is_found_and_the_lost_clips_named(store: Path, cut_at: Any, message: str) -> None:
    held = rows(store, 1)
    path = shards(store)[1]
    path.write_bytes(path.read_bytes()[: cut_at(held[2])])
    size, cut = findings(store)
    assert {(finding.condition, finding.shard) for finding in (size, cut)} == {("mp3_32", path.name)}
    assert "bytes where the index says" in size.message
    assert message.format(clip=held[2]["clip_id"]) in cut.message
    assert f"'{held[2]['clip_id']}'" in cut.message


def test_a_tar_without_its_end_blocks_is_found(store: Path) -> None:
    path = shards(store)[0]
    last = rows(store, 0)[-1]
    data = path.read_bytes()
    end = data.index(b"\0" * 1024, last["offset"] + last["size"] + 2 * BLOCK)
    path.write_bytes(data[: end + -end % BLOCK])
    _, cut = findings(store)
    assert "without the two blocks of zeros" in cut.message


def test_a_missing_shard_is_found(store: Path) -> None:
    gone = shards(store)[0]
    gone.unlink()
    (found,) = findings(store)
    assert (found.condition, found.shard) == ("mp3_32", gone.name)
    assert "missing" in found.message


@pytest.mark.parametrize("others", ["mp3_32", "mulaw_64+aac_32"])
def test_swapped_shards_are_found_and_the_report_names_whose_bytes_they_have(store: Path, others: str) -> None:
    first, second = shards(store)[0], shards(store, others)[1]
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    found = findings(store)
    assert {(finding.condition, finding.shard) for finding in found} == {("mp3_32", first.name), (others, second.name)}
    assert f"holds the bytes of {others}/{second.name}" in " ".join(finding.message for finding in found)


def test_an_index_of_another_build_is_found(store: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other", write_clips(tmp_path / "others", 12, first=50), "original,mp3_32")
    replace_tables(Store.open(store), indexes=[Store.open(other).index("mp3_32")])
    found = findings(store)
    assert {finding.condition for finding in found} == {"mp3_32"}
    assert any("are not in the clips table, as if it came from another build" in finding.message for finding in found)
    assert {finding.shard for finding in found} >= {path.name for path in shards(store)}


def test_an_index_that_was_overwritten_is_found(store: Path) -> None:
    index_path(store).write_bytes(index_path(store, "original").read_bytes())
    (found,) = findings(store)
    assert found.condition == "mp3_32"
    assert "does not match its sha256 in the manifest" in found.message


def test_an_index_of_another_build_of_the_same_clips_is_found(store: Path, clips: Path, tmp_path: Path) -> None:
    """The same clip ids under the same settings, only the audio differs."""
    table = write_clips(tmp_path / "others", 12, seconds=0.4)
    other = make(tmp_path / "other", table, "original,mp3_32")
    replace_tables(Store.open(store), indexes=[Store.open(other).index("mp3_32")])
    assert {finding.condition for finding in findings(store)} == {"mp3_32"}


def swap_in(store: Path, other: str) -> None:
    """Publish the index of another condition as that of mp3_32."""
    opened = Store.open(store)
    entry = opened.manifest.conditions[other]
    shutil.copy(index_path(store, other), store / "mp3_32" / entry.file)
    write_manifest(opened.folder, opened.manifest.changed(conditions={**opened.manifest.conditions, "mp3_32": entry}))


def test_an_index_of_another_condition_is_found(store: Path) -> None:
    swap_in(store, "late+aac_32")
    (found,) = findings(store, conditions="mp3_32")
    assert "is the index of another condition, 'late+aac_32'" in found.message


def test_what_changed_since_the_store_was_opened_is_found(store: Path) -> None:
    opened = Store.open(store)
    with ThreadPoolExecutor(2) as executor:
        assert verify(opened, parse_conditions("mp3_32"), executor=executor).findings == ()
        assert opened.index("mp3_32").meta.condition == "mp3_32"
        swap_in(store, "late+aac_32")
        (finding,) = verify(opened, parse_conditions("mp3_32"), executor=executor).findings
    assert "is the index of another condition" in finding.message


def test_shards_that_no_index_names_are_found(store: Path) -> None:
    for name in ("01234567-0123456789abcdef.tar", "foreign.tar"):
        left = store / "mp3_32" / name
        left.write_bytes(b"")
        (found,) = findings(store)
        assert (found.condition, found.shard) == ("mp3_32", left.name)
        assert "no snapshot names it" in found.message
        left.unlink()


def test_a_condition_that_was_not_published_is_found(store: Path) -> None:
    """As a build leaves it that was killed before it published."""
    shutil.copytree(store / "mp3_32", store / "aac_32")
    found = findings(store)
    assert {finding.condition for finding in found} == {"aac_32"}
    assert {finding.shard for finding in found} == {path.name for path in (store / "mp3_32").iterdir()}
    assert all("store.json does not name the condition" in finding.message for finding in found)


def test_labels_in_another_order_are_found(store: Path) -> None:
    path = store / "store.json"
    manifest = json.loads(path.read_text())
    manifest["labels"].reverse()
    path.write_text(json.dumps(manifest))
    first, *others = map(str, findings(store))
    assert re.fullmatch(r"store\.json was changed after it was published: other labels than in (\S+); copy \1 over it", first)
    assert len(others) == sum(len(list((store / name).glob("*.tar"))) for name in Store.open(store).conditions)
    assert all("other class numbers than the labels in store.json give" in text for text in others)


def test_changed_groups_are_found_with_the_clips_that_have_them(store: Path) -> None:
    opened = Store.open(store)
    column = opened.clips.schema.get_field_index("group")
    groups = pa.array([f"u{number}" for number in range(len(opened.clips))])
    path = store / opened.manifest.clips.file
    pq.write_table(opened.clips.set_column(column, opened.clips.schema.field("group"), groups), path)
    first, *others = findings(store, conditions="mp3_32")
    assert "was changed after it was published" in first.message
    assert {finding.clip for finding in others} == set(opened.clips["clip_id"].to_pylist())
    assert all("its JSON says group" in finding.message for finding in others)


def test_a_chain_of_snapshots_that_is_broken_is_found(store: Path, clips: Path) -> None:
    names = [Store.open(store).snapshot]
    for condition in ("alaw_64", "mulaw_64"):
        make(store, clips, f"original,{condition}")
        names.append(Store.open(store).snapshot)
    assert findings(store) == ()
    (store / "snapshots" / f"{names[1]}.json").unlink()
    (found,) = findings(store)
    assert f"snapshots/{names[0]}.json: the current snapshot does not lead back to it" in found.message


@pytest.mark.parametrize("lost", ["index", "folder"])
def test_a_condition_that_store_json_names_but_the_folder_lacks_is_found(store: Path, lost: str) -> None:
    shutil.rmtree(store / "mp3_32") if lost == "folder" else index_path(store).unlink()
    for requested in (None, "mp3_32"):
        (found,) = findings(store, conditions=requested)
        assert found.condition == "mp3_32"
        assert "is missing, though the manifest names it" in found.message


def test_a_missing_condition_is_refused(store: Path) -> None:
    with pytest.raises(StoreError, match="no condition 'aac_32' in store"):
        findings(store, conditions="aac_32")


@pytest.mark.parametrize("samples", [1, 3])
def test_a_wrong_delay_is_found_by_decoding_alone_after_a_chain_and_an_effect_too(store: Path, samples: int) -> None:
    """Indexes and JSON members that agree with each other, on a delay that is not the encoder's."""
    for condition in ("mulaw_64+aac_32", "late+aac_32"):
        forge(store, condition, delay=-samples)
    assert findings(store) == ()
    found = findings(store, decode=True)
    assert {finding.condition for finding in found} == {"mulaw_64+aac_32", "late+aac_32"}
    assert {finding.clip for finding in found} == {row["clip_id"] for row in Store.open(store).clips.to_pylist()}
    assert all(f"{samples} samples late" in finding.message for finding in found)


@pytest.mark.parametrize(("samples", "expected"), [(1, 0), (4, 1)])
def test_one_clip_of_many_may_seem_a_sample_late(tmp_path: Path, samples: int, expected: int) -> None:
    """Codecs of speech move the peak of some clips, whose delay is right."""
    store = make(tmp_path / "store", write_clips(tmp_path / "clips", 60), "original,aac_32", clips_per_shard=60)
    forge(store, "aac_32", delay=-samples, clips=1)
    heard = [finding for finding in findings(store, decode=True) if "against what was coded" in finding.message]
    assert len(heard) == expected  # that delays differ is found without decoding


def test_decoding_one_condition_decodes_what_it_must_be_aligned_with(store: Path) -> None:
    forge(store, "late+aac_32", delay=-3)
    with ThreadPoolExecutor(2) as executor:
        report = verify(Store.open(store), parse_conditions("late+aac_32"), decode=True, executor=executor)
    assert set(report.indexes) == {"late", "late+aac_32"}
    assert len(report.findings) == len(report.indexes["late"])


def test_an_original_with_other_samples_is_found_by_decoding(store: Path) -> None:
    table = Store.open(store).clips
    digests = table["sha256"].to_pylist()
    digests[0] = bytes(32)
    field = table.schema.field("sha256")
    changed = table.set_column(table.schema.get_field_index("sha256"), field, pa.array(digests, field.type))
    replace_tables(Store.open(store), clips=changed)
    found = findings(store, decode=True, conditions="original")
    assert [finding.clip for finding in found] == [table["clip_id"][0].as_py()] * 2
    assert "source_sha256" in found[0].message
    assert "decodes to samples that do not match their sha256" in found[1].message


def test_indexes_that_contradict_themselves_or_the_clips_table_are_found(store: Path) -> None:
    index = Store.open(store).index("mp3_32")
    delays, samples, kbps = (index.column(name).copy() for name in ("delay", "samples", "kbps"))
    delays[1] += 1
    samples[2] += 1
    kbps[3] = 1
    rewrite(store, "mp3_32", delay=delays, samples=samples, kbps=kbps)
    text = "\n".join(map(str, findings(store, conditions="mp3_32")))
    ids = index.table["clip_id"].to_pylist()
    assert f"has more than one delay: clip '{ids[1]}'" in text
    assert f"and the clips table differ in samples, as if it came from another build: clip '{ids[2]}'" in text
    assert "has a bitrate that does not follow from size and length" in text
    assert f"clip '{ids[1]}': its JSON says delay" in text


def test_an_index_with_other_settings_is_found(store: Path) -> None:
    index = Store.open(store).index("mp3_32")
    step = index.meta.steps[0].model_copy(update={"version": "another"})
    meta = index.meta.model_copy(update={"steps": (step,)})
    assert settings_hash(meta.steps) != meta.settings
    replace_tables(Store.open(store), indexes=[Index(meta=meta, table=index.table)])
    assert "its steps give" in str(findings(store, conditions="mp3_32")[0])


def test_hostile_tars_are_refused_by_what_they_claim(store: Path) -> None:
    path, intact = shards(store)[0], shards(store)[0].read_bytes()

    def tar(**fields: Any) -> bytes:
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT if fields.get("pax") else tarfile.USTAR_FORMAT) as file:
            info = tarfile.TarInfo("x" * 300 if fields.get("pax") else "clip000.mp3")
            for name, value in fields.items():
                if name != "pax":
                    setattr(info, name, value)
            file.addfile(info, io.BytesIO(bytes(info.size)))
        return sink.getvalue()

    huge = header("clip000.mp3", 1 << 32) + intact[BLOCK:]
    cases = {
        "a symbolic link": (tar(type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a header at byte 0 that no shard has"),
        "a directory": (tar(type=tarfile.DIRTYPE), "a header at byte 0 that no shard has"),
        "an extended header": (tar(pax=True), "a header at byte 0 that no shard has"),
        "a time": (tar(mtime=1), "a header at byte 0 that no shard has"),
        "a path upwards": (header("../../clip000.mp3", 0) + bytes(1024), "ends before"),
        "a member of 4 GiB": (huge, "; a clip may have"),
        "no tar": (b"\xff" * 2048, "has no tar header at byte 0"),
        "more after the end": (intact + b"x", "has bytes other than zeros after its end"),
    }
    for case, (data, message) in cases.items():
        path.write_bytes(data)
        assert any(message in finding.message for finding in findings(store, conditions="mp3_32")), case


def test_the_command_prints_every_finding_and_exits_with_1(store: Path) -> None:
    assert CliRunner().invoke(app, ["verify", str(store), "--workers", "1", "--conditions", "mp3_32"]).exit_code == 0
    gone, cut = shards(store)[:2]
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:700])
    result = CliRunner().invoke(app, ["verify", str(store), "--workers", "2"])
    assert result.exit_code == 1
    text = "".join(result.stdout.split())
    assert f"mp3_32/{gone.name}:ismissing" in text
    assert f"mp3_32/{cut.name}:has700bytes" in text


def test_a_store_in_memory_is_verified_in_memory(store: Path) -> None:
    """Any file system of fsspec's, read in ranges."""
    folder = Folder.at("memory://verified")
    for path in store.rglob("*"):
        if path.is_file():
            folder.write(str(path.relative_to(store)), path.read_bytes())
    with ThreadPoolExecutor(2) as executor:
        assert verify(Store.open("memory://verified"), decode=True, executor=executor).findings == ()
        folder.write(f"mp3_32/{shards(store)[0].name}", b"")
        assert len(verify(Store.open("memory://verified"), executor=executor).findings) == 2


def forge(store: Path, condition: str, *, delay: int, clips: int | None = None) -> None:
    """Write a condition's tars and index again with another delay, of all clips or of the first few,
    consistent in all else."""
    index = Store.open(store).index(condition)
    table, infos = [], []
    for number, info in enumerate(index.meta.shards):
        path = store / condition / info.name
        sink = io.BytesIO()
        with tarfile.open(path) as old, tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as new:
            for row in (row for row in index.table.to_pylist() if row["shard"] == number):
                row["delay"] += delay if clips is None or len(table) < clips else 0
                payload = old.extractfile(f"{row['clip_id']}.{index.meta.extension}").read()
                fields = json.loads(old.extractfile(f"{row['clip_id']}.json").read())
                fields["delay"] = row["delay"]
                table.append({**row, "offset": new.offset + BLOCK})
                for name, data in ((index.meta.extension, payload), ("json", json.dumps(fields).encode())):
                    member = tarfile.TarInfo(f"{row['clip_id']}.{name}")
                    member.size = len(data)
                    new.addfile(member, io.BytesIO(data))
        path.write_bytes(sink.getvalue())
        digest = hashlib.sha256(sink.getvalue()).hexdigest()
        infos.append(info.model_copy(update={"bytes": len(sink.getvalue()), "sha256": digest}))
    meta: IndexMeta = index.meta.model_copy(update={"shards": tuple(infos)})
    replace_tables(Store.open(store), indexes=[Index(meta=meta, table=pa.Table.from_pylist(table, index.table.schema))])


def test_what_was_lost_or_damaged_is_rebuilt_and_nothing_else(store: Path, built: Path, clips: Path) -> None:
    lost, cut = shards(store)[:2]
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    untouched = {path: path.stat().st_mtime_ns for path in store.rglob("*.tar") if path not in (lost, cut)}
    make(store, clips)
    assert findings(store, decode=True) == ()
    assert content(store) == content(built)
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched


def test_a_shard_that_differs_when_it_is_rebuilt_is_published_with_a_warning(store: Path, clips: Path) -> None:
    index = Store.open(store).index("mp3_32")
    infos = (index.meta.shards[0].model_copy(update={"sha256": "0" * 64}), *index.meta.shards[1:])
    meta = index.meta.model_copy(update={"shards": infos})
    replace_tables(Store.open(store), indexes=[Index(meta=meta, table=index.table)])
    shards(store)[0].unlink()
    log = Log()
    make(store, clips, progress=log)
    assert any("shard 0 of 'mp3_32' was built again and has other bytes than before" in message for message in log.messages)
    assert findings(store, decode=True) == ()
