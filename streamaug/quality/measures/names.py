"""Open a measure by its name."""

from collections.abc import Mapping
from importlib import import_module

from streamaug.errors import QualityError
from streamaug.hints import nearest
from streamaug.packages import missing_package_error
from streamaug.quality.measures.base import Measure
from streamaug.quality.measures.peaq_basic import PEAQ
from streamaug.quality.measures.pesq import PESQ_NB, PESQ_WB
from streamaug.quality.measures.visqol import VISQOL_AUDIO, VISQOL_SPEECH

MEASURES: Mapping[str, Measure] = {each.name: each for each in (PEAQ, PESQ_WB, PESQ_NB, VISQOL_SPEECH, VISQOL_AUDIO)}
"""By name, the default first."""


def open_measure(name: str) -> Measure:
    """A measure whose packages are installed.

    Args:
        name: One of `MEASURES`.

    Raises:
        QualityError: There is no such measure.
        MissingPackageError: Its package is not installed.

    >>> open_measure("peaq").rate
    48000
    """
    if name not in MEASURES:
        raise QualityError(f"no measure '{name}'. {nearest(name, list(MEASURES))}")
    for package in MEASURES[name].packages:
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            raise missing_package_error(error) or error from None
    return MEASURES[name]
