"""Measure, estimate and print what a plan takes: `streamaug plan --estimate`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamaug.planning import Plan
    from streamaug.planning.costs import EpochCost
    from streamaug.planning.estimate import Bill, Estimate
    from streamaug.planning.prices import Prices
    from streamaug.store.catalogue import StoreLike
    from streamaug.store.locations import BitstreamLocations


def measured_estimate(
    plan: "Plan",
    store: "StoreLike",
    bitstreams: Sequence["BitstreamLocations"],
    epoch: int,
    cost: "EpochCost",
    clips: int | None,
    evaluate: str | None = None,
) -> "Estimate":
    """Measure on this machine for some seconds, and estimate.

    Args:
        plan: The plan.
        store: The store that it was opened on.
        bitstreams: Locations of the bitstreams of each of plan.conditions, in their order.
        epoch: Number of the epoch.
        cost: The cost of that epoch.
        clips: Clips of the store that the estimate is for. Default: those of this one.
        evaluate: Split that the plan was kept apart from. Default: all others.

    Raises:
        StoreError, CorruptError, FetchError: The store cannot be read.
    """
    from streamaug.planning.estimate import estimate_epoch, scaled
    from streamaug.planning.probe import measure_decoding, measure_opening

    times, feature_s = measure_decoding(plan, store, bitstreams, epoch)
    opening = measure_opening(plan, store, evaluate)
    count = len(store.clips)
    estimated = estimate_epoch(plan, count, bitstreams, epoch, cost=cost, times=times, feature_s=feature_s, opening=opening)
    return scaled(estimated, clips or count, has_fixed_rows=plan.recipe.options.get("rows") is not None)


def describe_estimate(estimate: "Estimate", prices: "Prices", costs: "Bill") -> dict[str, Any]:
    """An estimate as `--json` prints it."""
    return {**asdict(estimate), "prices": prices.model_dump(), "bill": asdict(costs)}


def show_estimate(estimate: "Estimate", prices: "Prices", costs: "Bill", epoch: int) -> None:
    """Print an estimate.

    Args:
        estimate: The estimate.
        prices: The prices.
        costs: What it costs at these prices.
        epoch: Number of the epoch.
    """
    from streamaug.cli.console import stdout
    from streamaug.cli.tables import print_lines

    def money(amount: float) -> str:
        return f"below 0.01 {prices.currency}" if 0 < amount < 0.01 else f"{amount:.2f} {prices.currency}"

    opening = estimate.opening
    is_scaled = estimate.clips != estimate.measured_clips
    scale = f", extrapolated to {estimate.clips} clips" if is_scaled else ""
    stdout.print(f"estimate for epoch {epoch}, from measurements on this machine with a store of {estimate.measured_clips} clips{scale}")
    print_lines(
        [
            ["condition", "clips decoded", "decoding, core ms per clip"],
            *([each.condition, str(each.clips), f"{1000 * each.decode_s:.2f}"] for each in estimate.conditions),
        ]
    )
    hours = [f"decode {estimate.decode_s / 3600:.2f} core hours"]
    if estimate.feature_s is not None:
        hours.append(f"log-mel {estimate.feature_s / 3600:.2f} core hours")
    print_lines(
        [
            ["to", "what it takes", "price"],
            [
                "store",
                f"{estimate.store_bytes / 1e9:.2f} GB in {estimate.shards} shards of the recipe's conditions",
                f"{money(costs.storage_per_month)} per month",
            ],
            ["write it", f"{estimate.writes} requests", money(costs.writes)],
            ["read an epoch", f"{estimate.rows} rows in {estimate.requests} requests", money(costs.requests)],
            ["", f"{estimate.read_bytes / 1e9:.2f} GB", f"{money(costs.egress)} outside the region"],
            ["decode an epoch", "; ".join(hours), money(costs.cores)],
            [
                "open, or resume",
                f"{opening.requests} requests, {opening.read_bytes / 1e6:.1f} MB, "
                f"{'at most ' if is_scaled else ''}{opening.core_s:.2f} core seconds, {opening.memory_bytes / 1e6:.1f} MB of memory",
                "",
            ],
            ["", f"at most {estimate.reread_bytes / 1e6:.1f} MB that were under way", f"{money(costs.resume)} outside the region"],
        ]
    )
    if estimate.feature_s is None:
        stdout.print("log-mels are not in the estimate: PyTorch is not installed, or the clips are too short")
    stdout.print(f"prices: {prices.source} ({prices.date})")
