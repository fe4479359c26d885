"""What a recipe on a store takes: requests merged as the reader does, measured rows, prices."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from streamaug.errors import CorruptError, RecipeError, StoreError
from streamaug.planning import Plan
from streamaug.planning.costs import estimate
from streamaug.planning.estimate import Estimate, bill, estimate_epoch, scaled
from streamaug.planning.open_plan import open_plan
from streamaug.planning.prices import PUBLIC_PRICES, load_prices
from streamaug.planning.probe import DecodeTime, OpeningCost, measure_decoding, measure_opening
from streamaug.planning.reads import simulate_reads
from streamaug.reading.grouping import GROUP
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.store.catalogue import Catalogue
from streamaug.testing import build_store, tau2020_store

OPENING = OpeningCost(requests=4, read_bytes=10**6, core_s=0.2, memory_bytes=2 * 10**6)


@pytest.fixture(scope="module")
def tau(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Tables of 1 200 clips, without audio; a bitstream has 80 kB."""
    return tau2020_store(tmp_path_factory.mktemp("stores") / "tau", train=1000, evaluate=200, device_a=700)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Those tables with eight times as many clips."""
    return tau2020_store(tmp_path_factory.mktemp("stores") / "larger", train=8000, evaluate=1600, device_a=5600)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_store(tmp_path_factory.mktemp("sounds"), clips=16)


def plan_of(store: Store, folder: Path, text: str) -> Plan:
    (folder / "recipe.yaml").write_text(text)
    return open_plan(load_recipe(folder / "recipe.yaml"), store)


def of(store: Store, plan: Plan, times: dict[str, float], feature_s: float | None = None) -> Estimate:
    locations = [store.locations(name) for name in plan.conditions]
    return estimate_epoch(
        plan,
        len(store.clips),
        locations,
        0,
        cost=estimate(plan, store, locations, [0]),
        times=[DecodeTime(condition=name, clips=1, decode_s=seconds) for name, seconds in times.items()],
        feature_s=feature_s,
        opening=OPENING,
    )


@pytest.mark.parametrize("shuffle", ["", "shuffle: {window: 24}\n"])
def test_requests_of_some_groups_stand_for_those_of_the_epoch(tau: Store, tmp_path: Path, shuffle: str) -> None:
    mixture = ", ".join(f"{name}: 1" for name in tau.conditions if name != "spectrum-correction")
    plan = plan_of(tau, tmp_path, f"draw: union\nmixture: {{{mixture}}}\n{shuffle}")
    locations = [tau.locations(name) for name in plan.conditions]
    whole, part = simulate_reads(plan, locations, 0), simulate_reads(plan, locations, 0, most=5_000)
    assert whole.rows == plan.epoch_size(0) == 12_000
    assert whole.payload_bytes == estimate(plan, tau, locations, [0]).read_bytes
    assert 2_500 < part.rows < 6_000
    assert part.requests / part.rows == pytest.approx(whole.requests / whole.rows, rel=0.1)
    assert part.read_bytes / part.payload_bytes == pytest.approx(whole.read_bytes / whole.payload_bytes, rel=0.02)


def test_windows_take_fewer_requests_of_which_none_is_longer_than_the_reader_asks_for(tau: Store, tmp_path: Path) -> None:
    text = "draw: union\nmixture: {original: 1, mp3_64: 1}\n"
    full, windowed = (plan_of(tau, tmp_path, text + shuffle) for shuffle in ("", "shuffle: {window: 4}\n"))
    locations = [tau.locations(name) for name in full.conditions]
    few, many = simulate_reads(windowed, locations, 0), simulate_reads(full, locations, 0)
    assert few.requests < many.requests / 2
    assert few.read_bytes / few.requests < 8 << 20


def test_an_estimate_adds_up_what_rows_take(tau: Store, tmp_path: Path) -> None:
    plan = plan_of(tau, tmp_path, "draw: union\nmixture: {original: 1, mp3_64: 2}\n")
    got = of(tau, plan, {"original": 0.001, "mp3_64": 0.01}, 0.004)
    assert (got.rows, got.clips) == (3000, 1200)
    assert got.decode_s == pytest.approx(1000 * 0.001 + 2000 * 0.01)
    assert got.feature_s == pytest.approx(3000 * 0.004)
    sizes = sum(int(tau.locations(name).size.astype(np.int64).sum()) for name in plan.conditions)
    assert got.shards == 24
    assert got.store_bytes == sizes + 24 * 512  # where the tables say that the first bitstream begins
    assert 0 < got.reread_bytes <= got.read_bytes


def test_each_view_of_a_row_is_decoded(tau: Store, tmp_path: Path) -> None:
    plan = plan_of(tau, tmp_path, "draw: views\nviews: 2\nmixture: {original: 1, mp3_64: 1}\n")
    got = of(tau, plan, {"original": 0.001, "mp3_64": 0.01}, 0.004)
    assert got.rows == 1000
    assert got.decode_s == pytest.approx(1000 * 0.011)
    assert got.feature_s == pytest.approx(2000 * 0.004)


def test_what_grows_with_the_clips_is_extrapolated_and_the_rest_stays(tau: Store, tmp_path: Path) -> None:
    got = of(tau, plan_of(tau, tmp_path, "draw: union\nmixture: {original: 1}\n"), {"original": 0.001})
    more, fixed = scaled(got, 12_000), scaled(got, 12_000, has_fixed_rows=True)
    for name in ("rows", "reads", "read_bytes", "store_bytes", "shards", "decode_s"):
        assert getattr(more, name) == pytest.approx(10 * getattr(got, name)), name
    assert more.opening == OpeningCost(requests=4, read_bytes=10**7, core_s=2.0, memory_bytes=2 * 10**7)
    assert (more.measured_clips, more.clips) == (1200, 12_000)
    assert (fixed.rows, fixed.reads, fixed.store_bytes) == (got.rows, got.reads, more.store_bytes)
    assert scaled(got, 1200) == got


@pytest.mark.parametrize("options", ["", "shuffle: {window: 24}\n", "rows: 2000\n"])
def test_requests_of_more_clips_are_those_of_a_larger_store(tau: Store, larger: Store, tmp_path: Path, options: str) -> None:
    draw = "weighted" if "rows" in options else "union"
    text = f"draw: {draw}\nmixture: {{original: 1, mp3_64: 1, aac_32: 1}}\n{options}"
    got = of(tau, plan_of(tau, tmp_path, text), {"original": 0.001})
    expected = of(larger, plan_of(larger, tmp_path, text), {"original": 0.001})
    found = scaled(got, 9600, has_fixed_rows="rows" in options)
    assert found.reads == expected.reads
    assert found.requests == pytest.approx(expected.requests, rel=0.05)
    assert got.is_windowed == ("shuffle" in options)
    if not got.is_windowed:
        assert got.requests / got.reads < 0.8, "the small store must merge what the larger one does not"
        assert expected.requests / expected.reads > 0.9


def test_bytes_under_way_are_those_of_two_whole_groups_or_of_the_epoch(tau: Store, tmp_path: Path) -> None:
    got = of(tau, plan_of(tau, tmp_path, "draw: union\nmixture: {original: 1}\n"), {"original": 0.001})
    assert got.reread_bytes == got.read_bytes < 2 * GROUP  # a group and a smaller one
    assert scaled(got, 12_000).reread_bytes == 2 * GROUP
    assert scaled(got, 12).reread_bytes == scaled(got, 12).read_bytes


@pytest.mark.parametrize("options", ["", "rows: 2000\n"])
def test_requests_of_fewer_clips_are_those_of_a_smaller_store(tau: Store, larger: Store, tmp_path: Path, options: str) -> None:
    text = f"draw: {'weighted' if options else 'union'}\nmixture: {{original: 1, mp3_64: 1, aac_32: 1}}\n{options}"
    of_larger, expected = (of(store, plan_of(store, tmp_path, text), {"original": 0.001}) for store in (larger, tau))
    assert scaled(of_larger, 1200, has_fixed_rows=bool(options)).requests == pytest.approx(expected.requests, rel=0.05)
    few = scaled(expected, 12, has_fixed_rows=bool(options))
    assert 0 < few.requests < few.reads
    assert few.shards > 0


def test_a_bill_multiplies_by_the_prices(tau: Store, tmp_path: Path) -> None:
    got = of(tau, plan_of(tau, tmp_path, "draw: union\nmixture: {original: 1}\n"), {"original": 3.6}, 3.6)
    path = tmp_path / "prices.yaml"
    path.write_text(
        "source: a shop\ndate: 2026-01\ncurrency: EUR\nget_per_1000: 1\nput_per_1000: 10\nstorage_per_gb_month: 100\n"
        "egress_per_gb: 1000\ncore_per_hour: 5\n"
    )
    costs = bill(got, load_prices(path))
    assert costs.requests == pytest.approx(got.requests / 1000)
    assert costs.writes == pytest.approx((2 * got.shards + 4) / 1000 * 10)
    assert costs.storage_per_month == pytest.approx((got.store_bytes + 10**6) / 1e9 * 100)
    assert costs.egress == pytest.approx(got.read_bytes / 1e6)
    assert costs.cores == pytest.approx(2 * 1000 * 3.6 / 3600 * 5)
    assert costs.resume == pytest.approx(4 / 1000 + (10**6 + got.reread_bytes) / 1e6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("get_per_1000: 0.0004", "get_per_1000: -1", "get_per_1000: Input should be greater than or equal to 0"),
        ("get_per_1000: 0.0004", "", "get_per_1000: Field required"),
        ("currency: USD", "currency: dollars", "currency"),
        ("get_per_1000: 0.0004", "fee: 1\nget_per_1000: 0.0004", "fee: Extra inputs"),
        ("get_per_1000: 0.0004", "get_per_1000: [", "not readable as YAML"),
    ],
)
def test_invalid_prices_are_refused_with_the_keys(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(PUBLIC_PRICES.read_text(encoding="utf-8").replace(old, new))
    with pytest.raises(RecipeError, match=f"(?s)prices.yaml: .*{message}.*write a file with the keys source, date, currency"):
        load_prices(path)


def test_rows_of_the_store_are_measured(sounds: Store, tmp_path: Path) -> None:
    plan = plan_of(sounds, tmp_path, "draw: union\nmixture: {original: 1, mp3_24: 1}\n")
    locations = [sounds.locations(name) for name in plan.conditions]
    times, feature_s = measure_decoding(plan, sounds, locations, 0, seconds=0)
    assert [(each.condition, each.clips) for each in times] == [("original", 3), ("mp3_24", 3)]
    assert all(each.decode_s > 0 for each in times)
    assert feature_s is None  # a clip is too short for its deltas
    opening = measure_opening(plan, sounds)
    read = [sounds.manifest.clips.file, *(f"{name}/{sounds.manifest.conditions[name].file}" for name in plan.conditions), "store.json"]
    assert (opening.requests, opening.read_bytes) == (4, sum((Path(sounds.url) / name).stat().st_size for name in read))
    assert opening.memory_bytes > sounds.clips.nbytes


def test_a_link_is_measured_with_its_own_decoder(sounds: Store, tmp_path: Path) -> None:
    plan = plan_of(sounds, tmp_path, "draw: union\nlinks: {lossy: {loss: 0.1}}\nmixture: {alaw_64: 1, alaw_64~lossy: 1}\n")
    locations = [sounds.locations(name) for name in plan.conditions]
    times, _ = measure_decoding(plan, sounds, locations, 0, seconds=0)
    assert [each.condition for each in times] == ["alaw_64", "alaw_64~lossy"]
    assert measure_opening(plan, sounds).requests == 3
    assert asdict(of(sounds, plan, {each.condition: each.decode_s for each in times}))["shards"] == len(locations[0].names)


def test_each_of_several_stores_is_measured(sounds: Store, tmp_path: Path) -> None:
    both = Catalogue.open({"a": sounds, "b": build_store(tmp_path, clips=8, conditions="original,alaw_64")})
    plan = open_plan(load_recipe({"draw": "union", "mixture": {"a:original": 1, "b:alaw_64": 1}}), both)
    locations = [both.locations(name) for name in plan.conditions]
    times, _ = measure_decoding(plan, both, locations, 0, seconds=0)
    assert [each.condition for each in times] == ["a:original", "b:alaw_64"]
    assert measure_opening(plan, both).requests == 6
    assert simulate_reads(plan, locations, 0).payload_bytes == estimate(plan, both, locations, [0]).read_bytes


def test_a_store_without_its_audio_cannot_be_measured(tau: Store, tmp_path: Path) -> None:
    plan = plan_of(tau, tmp_path, "draw: union\nmixture: {original: 1}\n")
    with pytest.raises(StoreError, match=r"original/.*\.tar: clip '.*': the shard does not exist, so nothing can be measured"):
        measure_decoding(plan, tau, [tau.locations("original")], 0, seconds=0)


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    store = build_store(tmp_path, clips=4, conditions="original")
    location = store.locations("original")
    for clip in range(4):
        shard = Path(store.url) / location.path(clip)
        data = bytearray(shard.read_bytes())
        data[int(location.offset[clip]) + 50] ^= 1
        shard.write_bytes(data)
    plan = plan_of(store, tmp_path, "draw: union\nmixture: {original: 1}\n")
    with pytest.raises(CorruptError, match=r"clip 'clip\d+': does not match its sha256"):
        measure_decoding(plan, store, [store.locations("original")], 0, seconds=0)
