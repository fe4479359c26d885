"""What is wrong with a table of clips is one report, which a terminal can hold."""

import csv
from pathlib import Path

import pytest

from streamaug.building.build import build
from streamaug.building.problems import LINES_PER_KIND, BrokenSourcesError, Problem, report
from streamaug.conditions import Condition
from tests.building.clips import write_clips
from tests.in_process import InProcess


class Log:
    def __init__(self):
        self.lines = []

    def begin(self, stage, total): ...

    def advance(self, steps): ...

    def say(self, message):
        self.lines.append(message)


def missing(count, message="missing; correct its path"):
    return [Problem(row=row, clip_id=f"c{row}", path=f"/c{row}.wav", severity="error", message=message) for row in range(1, count + 1)]


def test_as_many_problems_of_each_kind_as_fit_are_printed_and_no_file_is_written(tmp_path):
    log = Log()
    report([*missing(LINES_PER_KIND), *missing(LINES_PER_KIND, "truncated: 5 bytes of 9")], log, tmp_path / "problems.csv")
    assert len(log.lines) == 2 * LINES_PER_KIND
    assert not (tmp_path / "problems.csv").exists()


def test_more_problems_of_a_kind_are_counted_and_all_are_in_a_file(tmp_path):
    log = Log()
    messages = [f"its id '=c{number}' is in rows {number}, {number + 1}" for number in range(30)]
    problems = [problem for message in messages for problem in missing(1, message)]
    report([*problems, *missing(3)], log, tmp_path / "problems.csv")
    assert len(log.lines) == LINES_PER_KIND + 1 + 3
    assert log.lines[LINES_PER_KIND] == f"error: 10 more of this kind (its id); {tmp_path / 'problems.csv'} lists all of them"
    rows = list(csv.DictReader((tmp_path / "problems.csv").open()))
    assert len(rows) == 33
    assert rows[29]["problem"] == messages[29]


def test_a_folder_that_cannot_be_written_to_does_not_lose_the_list(tmp_path):
    log = Log()
    report(missing(30), log, tmp_path / "absent" / "problems.csv")
    (line,) = [line for line in log.lines if "more of this kind" in line]
    path = line.split("; ")[1].removesuffix(" lists all of them")
    with Path(path).open() as file:
        assert len(list(csv.DictReader(file))) == 30


def test_a_build_of_many_missing_files_prints_twenty_and_lists_all_next_to_the_store(tmp_path):
    table = write_clips(tmp_path, 2)
    with table.open("a") as file:
        file.writelines(f"=absent{number}.wav,a,train,,\n" for number in range(40))
    log = Log()
    with pytest.raises(BrokenSourcesError, match="and 39 more problems; nothing was written"):
        build(table, str(tmp_path / "store"), conditions=[Condition()], executor=InProcess(), progress=log)
    assert sum("missing" in line for line in log.lines) == LINES_PER_KIND + 1
    rows = list(csv.DictReader((tmp_path / "store-problems.csv").open()))
    assert len(rows) == 40
    assert all(row["clip_id"].startswith("'=") for row in rows)


def test_clips_without_path_label_or_split_are_problems_of_those_clips_only(tmp_path):
    table = write_clips(tmp_path, 4)
    with table.open("a") as file:
        file.writelines([",a,train,,\n", ",b,train,,\n", "clip000.wav,,train,,\n", "clip001.wav,b,,,\n"])
    text = table.read_text().splitlines()
    table.write_text("\n".join([f"{text[0]},clip_id", *(f"{line},id{number}" for number, line in enumerate(text[1:]))]) + "\n")
    log = Log()
    built = build(table, str(tmp_path / "store"), conditions=[Condition()], executor=InProcess(), skip_bad=True, progress=log)
    assert (built.clips, built.rejected) == (4, 4)
    errors = [line.split(": ")[-1] for line in log.lines if line.startswith("error")]
    empty = "an empty cell, or NaN, in the column '{}'; fill it in"
    assert errors == [empty.format(name) for name in ("path", "path", "label", "split")]


def test_the_error_of_a_build_survives_the_way_from_a_worker():
    import pickle

    error = BrokenSourcesError(missing(2))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_table_none_of_whose_files_exists_is_one_report_at_once(tmp_path):
    table = write_clips(tmp_path / "audio", 3)
    moved = tmp_path / "clips.csv"
    moved.write_text(table.read_text().replace("clip002.wav,a", "clip002.wav,"))
    log = Log()
    with pytest.raises(BrokenSourcesError, match="and 3 more problems"):
        build(moved, str(tmp_path / "store"), conditions=[Condition()], executor=InProcess(), progress=log)
    causes = sorted(line.split(": ")[-1].split(";")[0] for line in log.lines)
    assert causes == ["an empty cell, or NaN, in the column 'label'", "missing", "missing", "missing"]
