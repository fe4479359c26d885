"""Numbers of a card: finite, and rounded so that the last bits, in which machines differ, do not show."""

from typing import Annotated

from pydantic import AfterValidator, Field

Figure = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: round(value, 6) + 0.0)]
"""A result, to six decimals; adding 0 makes a positive zero of a negative one."""

Score = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: float(f"{value:.3g}") + 0.0)]
"""A score of a model, to three digits: models differ more from machine to machine than sums do."""
