"""WebDataset tars as others write them: what is read, what is left out, and what a hostile one can do."""

import io
import json
import pickle
import tarfile
import tracemalloc
from collections import Counter

import fsspec
import pytest
import webdataset

from streamaug.building import tar_clips as module
from streamaug.building.tar_clips import tar_clips, tar_paths
from streamaug.building.unpacking import unpack
from streamaug.errors import ClipsError
from tests.building.audio_bytes import by_soundfile, noise

SOUND = {number: by_soundfile(noise(number, 4000), "WAV") for number in range(4)}


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def read(*paths):
    left_out = Counter()
    return list(tar_clips(paths, left_out)), dict(left_out)


def test_braces_globs_folders_and_urls_name_tars(tmp_path):
    for name in ("a-00.tar", "a-01.tar", "b.tar.gz", "c.wav"):
        (tmp_path / name).touch()
    names = [str(tmp_path / name) for name in ("a-00.tar", "a-01.tar", "b.tar.gz")]
    assert tar_paths(str(tmp_path)) == names[:2]
    assert tar_paths(str(tmp_path / "a-*.tar")) == names[:2]
    assert tar_paths(str(tmp_path / "a-{00..02}.tar")) == [*names[:2], str(tmp_path / "a-02.tar")]
    assert tar_paths(str(tmp_path / "{a-*,b*}.tar")) == names[:2]
    assert tar_paths(names[2]) == names[2:]
    assert tar_paths("https://host/x-{1..2}.tar") == ["https://host/x-1.tar", "https://host/x-2.tar"]
    assert tar_paths(str(tmp_path / "c.wav")) == tar_paths(str(tmp_path / "*.wav")) == []
    with pytest.raises(ClipsError, match="braces are not balanced"):
        tar_paths("a-{00..02.tar")


def test_a_tar_that_webdataset_wrote_gives_labels_text_and_columns(tmp_path):
    with webdataset.TarWriter(str(tmp_path / "train-000.tar.gz")) as sink:
        for number in range(2):
            sink.write({"__key__": f"x/{number}", "wav": SOUND[number], "cls": number, "txt": " what\n was said ", "json": {"snr": 3}})
    clips, left_out = read(str(tmp_path / "train-000.tar.gz"))
    assert [(name, audio) for name, audio, _, _ in clips] == [(f"x/{number}.wav", SOUND[number]) for number in range(2)]
    assert clips[1][2] == {"cls": "1", "txt": "what\n was said", "snr": 3, "split": "train"}
    assert left_out == {}


def test_a_split_in_the_columns_counts_more_than_that_of_the_tars_name(tmp_path):
    path = write_tar(tmp_path / "train-1.tar", [("a.wav", SOUND[0]), ("a.json", b'{"split": "dev"}'), ("b.wav", SOUND[1])])
    assert [columns["split"] for _, _, columns, _ in read(path)[0]] == ["dev", "train"]


class Harmful:
    def __reduce__(self):
        return exec, ("raise SystemExit('a member was executed')",)


def test_programs_pictures_and_samples_without_audio_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_TEXT", 100)
    members = [
        *[("a.wav", SOUND[0]), ("a.pyd", pickle.dumps(Harmful())), ("a.x.PTH", b"PK"), ("a.jpg", b"\xff\xd8\xff\0"), ("a.bin", b"a\0b")],
        *[("a.txt", b"a" * 101), ("b.cls", b"1"), ("c.wav", SOUND[1]), ("c.cls", b"1"), ("b.wav", SOUND[2])],
    ]
    clips, left_out = read(write_tar(tmp_path / "s.tar", members))
    assert [(name, columns) for name, _, columns, _ in clips] == [("a.wav", {}), ("c.wav", {"cls": "1"}), ("b.wav", {})]
    assert left_out == {
        ".pyd members, which are programs": 1,
        ".x.pth members, which are programs": 1,
        ".jpg members, which are not text": 1,
        ".bin members, which are not text": 1,
        ".txt members, which are too large": 1,
        "samples without audio": 1,
    }


def test_a_member_that_claims_to_be_huge_takes_no_memory(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("a.wav")
        info.size = len(SOUND[0])
        tar.addfile(info, io.BytesIO(SOUND[0]))
        sparse = tarfile.TarInfo("b.wav")  # a file of 2**40 bytes of which none is stored
        sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
        header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
        header[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
        header[148:156] = b"        "
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        tar.fileobj.write(header)
        tar.offset += len(header)
    clips, left_out = read(str(tmp_path / "s.tar"))
    assert [name for name, _, _, _ in clips] == ["a.wav"]
    assert left_out == {".wav members, which are too large": 1}


def test_the_texts_of_a_sample_have_a_limit_together(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_TEXTS", 1 << 20)
    texts = [(f"a.t{number}", b"x" * (300 << 10)) for number in range(5)]
    many = [(f"b.n{number}", b"") for number in range(2100)]
    path = write_tar(tmp_path / "s.tar", [*texts, ("a.wav", SOUND[0]), ("b.wav", SOUND[1]), *many, ("c.wav", SOUND[2]), ("c.cls", b"1")])
    clips, left_out = read(path)
    assert [(name, len(columns)) for name, _, columns, _ in clips[::2]] == [("a.wav", 3), ("c.wav", 1)]
    assert clips[1][0] == "b.wav"
    assert len(clips[1][2]) < 2048
    assert left_out[".t3 members, of samples with more than 1 MB next to the audio"] == 1


def test_a_second_audio_member_is_refused_before_it_is_read(tmp_path):
    path = write_tar(tmp_path / "s.tar", [("a.wav", SOUND[0])])
    second = tarfile.TarInfo("a.flac")
    second.size = 4 << 30  # of which there is nothing
    data = (tmp_path / "s.tar").read_bytes()
    (tmp_path / "s.tar").write_bytes(
        data[: tarfile.BLOCKSIZE * (1 + -(-len(SOUND[0]) // tarfile.BLOCKSIZE))] + second.tobuf(tarfile.GNU_FORMAT)
    )
    with pytest.raises(ClipsError, match=r"clip 'a' has several audio members \(wav, flac\)"):
        read(path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("size", [(1 << 20) + 1, 1 << 40, -1024])
def test_a_header_of_any_size_is_refused_before_it_is_read(tmp_path, kind, size):
    info = tarfile.TarInfo("name")
    info.type, info.size = kind, size
    (tmp_path / "s.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * (2 << 20))
    with pytest.raises(ClipsError, match=f"a header of {size} bytes; one may have 1048576"):
        read(str(tmp_path / "s.tar"))


def test_members_and_their_descriptions_are_not_kept(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(40):
            info = tarfile.TarInfo(f"{number}.wav")
            info.size, info.pax_headers = len(SOUND[0]), {"comment": "x" * 500_000}
            tar.addfile(info, io.BytesIO(SOUND[0]))
    tracemalloc.start()
    try:
        count = sum(1 for _ in tar_clips([str(tmp_path / "s.tar")], Counter()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 40
    assert peak < 10 << 20


def test_long_names_are_read(tmp_path):
    names = [f"{'long/' * 60}{number}.wav" for number in range(3)]
    for number, kind in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        with tarfile.open(tmp_path / f"{number}.tar", "w", format=kind) as tar:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(SOUND[0])
                tar.addfile(info, io.BytesIO(SOUND[0]))
        assert [name for name, _, _, _ in read(str(tmp_path / f"{number}.tar"))[0]] == names


def test_links_devices_and_names_that_lead_outside_write_nothing_there(tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(SOUND[3])
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for name, kind in (("link.wav", tarfile.SYMTYPE), ("hard.wav", tarfile.LNKTYPE), ("dev.wav", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            tar.addfile(info)
        for name in ("../../up.wav", "/abs.wav", "con\ntrol.wav"):
            info = tarfile.TarInfo(name)
            info.size = len(SOUND[0])
            tar.addfile(info, io.BytesIO(SOUND[0]))
    rows = unpack(tar_clips([str(tmp_path / "s.tar")], Counter()), tmp_path / "in" / "audio").rows
    assert [row["path"] for row in rows] == [str(tmp_path / "in" / "audio" / f"{number:07d}.wav") for number in range(3)]
    assert not any(sign in row["clip_id"] for row in rows for sign in "./\n")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        *(f"{n:07d}.wav" for n in range(3)),
        "s.tar",
        "secret.wav",
    ]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.wav", b"x"), ("a.json", b"[" * 100_000)], "not readable as a WebDataset tar"),
        ([("a.wav", b"x"), ("a.json", b'{"n": ' + b"9" * 10_000 + b"}")], "not readable as a WebDataset tar"),
        ([("a.wav", b"x"), ("a.json", b"{")], "not readable as a WebDataset tar"),
        ([("a.wav", b"x"), ("a.flac", b"x")], "several audio members"),
        ([("a.wav", b"x"), ("a.wav", b"y")], "is there twice"),
    ],
)
def test_broken_members_are_errors_with_the_tar_s_name(tmp_path, members, message):
    path = write_tar(tmp_path / "s.tar", members)
    with pytest.raises(ClipsError, match=message) as caught:
        read(path)
    assert path in str(caught.value)


def test_a_tar_that_is_cut_off_or_missing_is_an_error(tmp_path):
    path = write_tar(tmp_path / "s.tar", [("a.wav", SOUND[0]), ("b.wav", SOUND[1])])
    data = (tmp_path / "s.tar").read_bytes()
    for size in (1000, 8704, 9000, 9000 + 512):
        (tmp_path / "s.tar").write_bytes(data[:size])
        with pytest.raises(ClipsError, match="not readable as a WebDataset tar"):
            read(path)
    with pytest.raises(ClipsError, match="does not exist"):
        read(str(tmp_path / "none.tar"))


def test_tars_are_read_from_a_server(tmp_path):
    for number in range(2):
        local = write_tar(tmp_path / f"{number}.tar", [("0.wav", SOUND[number])])
        fsspec.filesystem("memory").put(local, f"/served/test-{number}.tar")
    clips, _ = read(*tar_paths("memory://served/test-{0..1}.tar"))
    origins = [f"memory://served/test-{number}.tar: 0.wav" for number in range(2)]
    assert clips == [(f"test-{number}/0.wav", SOUND[number], {"split": "test"}, origins[number]) for number in range(2)]
    with pytest.raises(ClipsError, match="does not exist"):
        read("memory://served/test-2.tar")


def test_tars_of_several_files_keep_their_clips_apart(tmp_path):
    paths = [
        write_tar(tmp_path / f"s-{n}.tar", [("0.wav", SOUND[n]), ("0.json", json.dumps({"start": 5, "path": "/x"}).encode())])
        for n in (0, 1)
    ]
    unpacked = unpack(tar_clips(paths, Counter()), tmp_path / "audio")
    rows = unpacked.rows
    assert [row["clip_id"] for row in rows] == ["s-0-0", "s-1-0"]
    assert {(row["source_start"], row["source_path"]) for row in rows} == {("5", "/x")}  # of the file that the audio was taken from
    assert unpacked.set_aside == ["path", "start"]
    assert [unpacked.origins[row["path"]] for row in rows] == [f"{path}: 0.wav" for path in paths]
