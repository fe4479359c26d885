"""List the clips that a build left out, for people and spreadsheets."""

from collections.abc import Sequence

from streamaug.building.problems import Problem
from streamaug.building.spreadsheet import safe_csv
from streamaug.store.folder import Folder

REJECTED_FILE = "rejected.csv"


def write_rejected(folder: Folder, errors: Sequence[Problem]) -> None:
    """Write rejected.csv, or remove it if no clip is left out: clips may have been fixed since an
    earlier build.

    Args:
        folder: The store.
        errors: Problems of the clips that are left out.
    """
    if not errors:
        folder.remove(REJECTED_FILE)
        return
    rows = ([problem.row, problem.clip_id, problem.origin or problem.path, problem.message] for problem in errors)
    folder.write(REJECTED_FILE, safe_csv(["row", "clip_id", "path", "problem"], rows))
