"""Choose the clips of a run: a named split, or a choice on any column of the clips table."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import StoreError


@dataclass(frozen=True, kw_only=True)
class Split:
    """A choice of clips by the values of one column.

    Args:
        column: The column of the clips table.
        values: Its values.
        keep: Whether the clips with these values are chosen, or all others.

    >>> Split.parse("train")
    Split(column='split', values=('train',), keep=True)
    >>> str(Split.parse("fold=1,2,3")), str(Split.parse("fold!=4"))
    ('fold=1,2,3', 'fold!=4')
    """

    column: str
    values: tuple[str, ...]
    keep: bool = True

    @classmethod
    def parse(cls, text: str) -> "Split":
        """Read a split from text.

        Args:
            text: `train` (a value of the column `split`), `fold=1,2` or `fold!=4`.

        Raises:
            StoreError: The text is not a split.
        """
        column, sign, values = text.partition("=")
        keep = not column.endswith("!")
        column = column.removesuffix("!").strip()
        if not sign:
            column, values = "split", text
        chosen = tuple(value.strip() for value in values.split(","))
        if not column or not all(chosen):
            raise StoreError(f"split '{text}': write a split such as 'train', or a column and values such as 'fold=1,2' or 'fold!=4'")
        return cls(column=column, values=chosen, keep=keep)

    def __str__(self) -> str:
        values = ",".join(self.values)
        return values if self.column == "split" and self.keep else f"{self.column}{'=' if self.keep else '!='}{values}"

    def rows(self, clips: pa.Table) -> np.ndarray:
        """Row numbers of the chosen clips, ascending, int64 of shape (clips,).

        Args:
            clips: The store's clips table.

        Raises:
            StoreError: The column, or one of the values, is not in the table.
        """
        if self.column not in clips.column_names:
            raise StoreError(f"split '{self}': the clips table has no column '{self.column}'; choose from {', '.join(clips.column_names)}")
        column = text_column(clips, self.column)
        known = set(column.unique().to_pylist())
        unknown = [value for value in self.values if value not in known]
        if unknown:
            available = ", ".join(sorted(str(value) for value in known if value is not None))
            raise StoreError(f"split '{self}': no clip has {self.column} = {', '.join(unknown)}; choose from {available}")
        chosen = pc.is_in(column, pa.array(self.values, pa.string()))
        return np.flatnonzero(np.asarray(chosen) == self.keep)


def text_column(clips: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of the clips table as text, whatever its type.

    Args:
        clips: The store's clips table.
        name: The column.

    Raises:
        StoreError: Its values have no text: they are lists, records or bytes.
    """
    try:
        return pc.cast(clips[name], pa.string())
    except pa.ArrowException:
        raise StoreError(f"the column '{name}' has values of type {clips[name].type}, which are not names; choose another column") from None
