"""The notebooks of examples/ run from the first cell to the last, and come without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(autouse=True)
def folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's history, connection file and temporary folders are not the user's."""
    folder = tmp_path_factory.mktemp("kernel")  # a short path, since sockets are made there
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(variable, str(folder))


def run(name: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_has_no_outputs_in_git(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_codecs_can_be_heard_and_seen() -> None:
    notebook = run("hear_what_codecs_do.ipynb")
    shown = [output["data"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    assert sum("image/png" in data for data in shown) == 2
    assert sum("<audio" in data.get("text/html", "") for data in shown) == 5  # four conditions and a difference


def test_a_stopped_training_resumes_in_another_process_with_the_rows_of_the_plan() -> None:
    notebook = run("train_on_a_mixture.ipynb")
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "32 rows; saved: epoch 0, row 32\n" in printed  # in the middle of an epoch
    assert "58 rows; saved: epoch 2, row 0\n" in printed
    assert "90 rows seen, 90 in the plan, equal: True" in printed
    assert "use the recipe, store, split and seed it was saved with" in printed
