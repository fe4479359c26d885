"""Tables of clips as people have them: delimiters, types, names, gaps, and slips."""

import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamaug.building.problems import BrokenSourcesError
from streamaug.building.table_reading import near_name_warnings, read_table
from streamaug.errors import ClipsError

ROWS = [("path", "label", "split", "speaker"), ("c0.wav", "a", "train", "0012"), ("c1.wav", "b", "evaluate", "012")]
READ = {"path": ["c0.wav", "c1.wav"], "label": ["a", "b"], "split": ["train", "evaluate"], "speaker": ["0012", "012"]}


def written(folder, text, name="clips.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, **options):
    """The columns as lists, with paths relative to the table's folder."""
    table = read_table(path, options.pop("shard_by", "split"), **options).to_pydict()
    table["path"] = [name.removeprefix(f"{path.parent}/") for name in table["path"]]
    return table


def problems_of(path, **options):
    with pytest.raises(BrokenSourcesError) as caught:
        read_table(path, options.pop("shard_by", "split"), **options)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("between", [",", "\t", ";", "|", ", ", "; "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_delimiter_and_line_end_gives_the_same_table(tmp_path, between, end):
    table = read(written(tmp_path, end.join(between.join(row) for row in ROWS) + end))
    assert {name: table[name] for name in READ} == READ
    assert table["clip_id"] == ["c0", "c1"]
    assert table["group"] == [None, None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spreadsheets_encodings_are_read(tmp_path, encoding):
    text = "path\tlabel\tsplit\nä.wav\tchien mouillé\ttrain\n"
    assert read(written(tmp_path, text.encode(encoding)))["label"] == ["chien mouillé"]


def test_quoted_cells_keep_delimiters_line_breaks_and_blanks(tmp_path):
    text = 'path,label,split,note\n"a,b.wav",dog,train,"two\nlines, ""quoted"""\nc.wav, dog ,train,\n'
    table = read(written(tmp_path, text))
    assert table["path"] == ["a,b.wav", "c.wav"]
    assert table["note"] == ['two\nlines, "quoted"', None]
    assert table["label"] == ["dog", " dog "]


def test_a_quote_in_a_table_with_tabs_is_a_character_and_hides_no_rows(tmp_path):
    text = 'path\tlabel\tsplit\tsentence\na.wav\ta\ttrain\t"Hello, she said\nb.wav\tb\ttrain\tplain\nc.wav\tb\ttrain\tBye"\n'
    assert read(written(tmp_path, text, "clips.tsv"))["sentence"] == ['"Hello, she said', "plain", 'Bye"']
    assert read(written(tmp_path, text.replace('"Hello, she said', '"Hello"').replace('Bye"', "Bye")))["sentence"] == [
        "Hello",
        "plain",
        "Bye",
    ]


def test_delimiters_at_the_ends_of_lines_and_empty_lines_are_no_clips(tmp_path):
    text = "\npath,label,split,,\na.wav,a,train,,\n\n,,,,\nb.wav,b,train\n".replace("b.wav,b,train", "b.wav,b,train,,")
    table = read(written(tmp_path, text))
    assert table["path"] == ["a.wav", "b.wav"]
    assert set(table) == {"clip_id", "path", "label", "split", "group"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,split\na.wav,a,train,b\n", "line 2 has 4 cells, not 3"),
        ("path,label,split\na.wav,a\n", "line 2 has 2 cells, not 3"),
        ("path,label,split,\na.wav,a,train,x\n", "column 4; write one into the first line"),
        ("path,label,split,note,note\na.wav,a,train,x,y\n", "the column 'note' is there 2 times"),
        ("path,label,split,label\na.wav,a,train,y\n", "the column 'label' is there 2 times"),
        ("filename,label,split\na.wav,a,train\n", "no column 'path'; it has filename, label, split; name it with --path-column"),
        ("path,lable,split\na.wav,a,train\n", "--label-column"),
        ("path,label\na.wav,a\n", "--split-column"),
    ],
)
def test_a_table_that_cannot_be_used_names_the_line_or_column(tmp_path, text, message):
    assert any(message in problem for problem in problems_of(written(tmp_path, text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"path,label,split\n\xe9.wav,a,train\n", "not UTF-8 text"),
        ('path,label,split\n"a.wav,a,train\n', "line 2"),
        (b"PAR1 is no table", "no column"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ClipsError, match=message):
        read_table(written(tmp_path, text), "split")


def test_a_broken_table_and_the_clips_that_are_wrong_are_in_one_report(tmp_path):
    (tmp_path / "good.wav").write_bytes(b"not decoded here")
    text = "path,label,split,note,note\ngood.wav,a,train,,\ngood.wav,,train,,\nabsent.wav,a,train,,\na.b.wav,a,,,\n"
    problems = problems_of(written(tmp_path, text))
    assert "'note' is there 2 times" in problems[0]
    assert [re.findall("'([^']*)'", problem)[0] for problem in problems[1:]] == ["good", "absent", "a.b", "a.b", "a.b"]
    for word in ("column 'label'", "missing", "column 'split'", "a dot"):
        assert any(word in problem for problem in problems)


def parquet(folder, **columns):
    base = {"path": ["c0.wav", "c1.wav"], "label": ["a", "b"], "split": ["train"] * 2}
    pq.write_table(pa.table({**base, **columns}), folder / "clips.parquet")
    return folder / "clips.parquet"


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("clip_id", [1, 2], ["1", "2"]),
        ("label", pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        ("label", pa.array([7, 8]).dictionary_encode(), ["7", "8"]),
        ("label", [7.0, 8.0], ["7", "8"]),
        ("label", [True, False], ["true", "false"]),
        ("label", pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        ("label", [7.0, float("nan")], ["7", None]),
        ("label", ["  ", "b"], [None, "b"]),
        ("path", [b"c0.wav", b"c1.wav"], ["c0.wav", "c1.wav"]),
        ("group", [3, None], ["3", None]),
    ],
)
def test_values_that_have_a_text_are_names(tmp_path, column, values, text):
    assert read(parquet(tmp_path, **{column: values}))[column] == text


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("label", [["a"], ["a", "b"]], "the column 'label' has lists"),
        ("path", [1, 2], "the column 'path' has values of type int64"),
        ("path", [{"bytes": b"", "path": "a"}] * 2, "'streamaug table' unpacks"),
        ("path", [b"\xff", b"\xfe"], "the column 'path' has bytes"),
        ("clip_id", [{"a": 1}, {"a": 2}], "the column 'clip_id' has records"),
        ("depth", [1, 2], "column name 'depth' is reserved"),
    ],
)
def test_values_that_have_no_text_are_refused_with_their_column(tmp_path, column, values, message):
    assert message in problems_of(parquet(tmp_path, **{column: values}))[0]


def test_a_parquet_tables_own_columns_keep_their_types(tmp_path):
    own = {"fold": pa.array([1, 2], pa.int8()), "tags": [["x"], []], "device": pa.array(["a", "b"]).dictionary_encode()}
    table = read_table(parquet(tmp_path, **own), "fold")
    assert [table.schema.field(name).type for name in own] == [pa.int8(), pa.list_(pa.string()), pa.string()]


def test_other_names_of_columns_are_read_as_those_they_stand_for(tmp_path):
    path = written(tmp_path, "filename,fold,category,src\nc0.wav,1,dog,77\nc1.wav,2,cat,78\n")
    table = read(path, columns={"path": "filename", "label": "category", "split": "fold", "group": "src"}, shard_by="fold")
    assert (table["label"], table["split"], table["group"]) == (["dog", "cat"], ["1", "2"], ["77", "78"])
    assert set(table) == {"clip_id", "path", "label", "split", "group"}
    assert "Did you mean 'filename'?" in problems_of(path, columns={"path": "filenam", "label": "category"}, shard_by="fold")[0]
    assert "besides 'src'" in problems_of(path, columns={"path": "filename", "label": "category", "fold": "src"}, shard_by="fold")[0]


def test_names_that_were_probably_meant_to_be_the_same_are_named(tmp_path):
    text = "path,label,split,group\n1.wav,dog,train,A\n2.wav,dog ,trian,a\n3.wav,Dog,test,b\n4.wav,cat,test,c\n"
    warnings = near_name_warnings(read_table(written(tmp_path, text), "split"))
    assert [re.findall(r"'([^']*)' \(", line) for line in warnings] == [
        ["Dog", "dog", "dog "],
        ["train", "trian"],
        ["A", "a"],
    ]
    plain = "path,label,split\n1.wav,bed,fold1\n2.wav,bird,fold2\n3.wav,metro,test_a\n4.wav,metro_station,test_b\n"
    assert near_name_warnings(read_table(written(tmp_path, plain), "split")) == []


def test_200_000_rows_are_read_without_pandas(tmp_path):
    lines = (f"audio/clip{number:06d}.wav,label{number % 50},train,{number % 1000:04d},a note {number}" for number in range(200_000))
    path = written(tmp_path, "\n".join(["path,label,split,speaker,note", *lines]))
    assert read_table(path, "split").num_rows == 200_000
    program = (
        "import sys; from pathlib import Path; from streamaug.building.table_reading import read_table; "
        f"[read_table(Path(name), 'split') for name in ({str(parquet(tmp_path))!r}, {str(path)!r})]; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_text_as_polars_writes_it_is_text_like_any_other(tmp_path):
    columns = {"path": ["c0.wav"], "label": ["a"], "split": ["train"], "speaker": ["0012"]}
    pq.write_table(pa.table({name: pa.array(values, pa.string_view()) for name, values in columns.items()}), tmp_path / "clips.parquet")
    table = read_table(tmp_path / "clips.parquet", "split")
    assert table.schema.field("speaker").type == pa.string()
    assert table.take([0])["speaker"].to_pylist() == ["0012"]


def test_text_in_parquet_that_is_not_utf8_is_refused(tmp_path):
    text = pa.array([b"\xff\xfe"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"path": ["c0.wav"], "label": ["a"], "split": text}), tmp_path / "clips.parquet")
    with pytest.raises(ClipsError, match="UTF8"):
        read_table(tmp_path / "clips.parquet", "split")
