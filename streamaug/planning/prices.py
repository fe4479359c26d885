"""Read what a cloud charges: prices with their source and date, in one file that users can replace."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from streamaug.errors import RecipeError

PUBLIC_PRICES = Path(__file__).with_name("prices.yaml")
"""Public list prices."""

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Prices(BaseModel):
    """Prices of storage, requests, traffic and processors.

    Args:
        source: Whose prices they are.
        date: Month that they were read in, such as 2026-03.
        currency: Three letters.
        get_per_1000: For a thousand requests that read.
        put_per_1000: For a thousand requests that write.
        storage_per_gb_month: For 10^9 bytes in a month.
        egress_per_gb: For 10^9 bytes that leave the region.
        core_per_hour: For an hour of one core.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: _Text
    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    get_per_1000: Price
    put_per_1000: Price
    storage_per_gb_month: Price
    egress_per_gb: Price
    core_per_hour: Price


def load_prices(path: Path = PUBLIC_PRICES) -> Prices:
    """Read a file of prices.

    Args:
        path: YAML file with all keys of `Prices`. Default: public list prices.

    Raises:
        RecipeError: It cannot be read, or a key is missing, unknown or not a price.

    >>> load_prices().currency
    'USD'
    """
    remedy = f"write a file with the keys {', '.join(Prices.model_fields)}, as in {PUBLIC_PRICES}"
    try:
        return Prices.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {error}; {remedy}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
        raise RecipeError(f"{path}: {faults}; {remedy}") from error
