"""Hold a plan against the store that is to serve it."""

from streamaug.errors import RecipeError, StoreError
from streamaug.planning.identity import labels_digest
from streamaug.planning.open_plan import load_inventory
from streamaug.planning.plan import Plan
from streamaug.planning.sequential import PlanLike
from streamaug.splits import Split
from streamaug.store.catalogue import StoreLike


def check_plan(plan: PlanLike, store: StoreLike, *, split: str | None = None, seed: int | None = None) -> None:
    """Check that a plan was opened on this store, with this split and seed.

    Args:
        plan: A plan.
        store: The store that is to serve it.
        split: Split that the plan must have. Default: whichever it has.
        seed: Seed that the plan must have. Default: whichever it has.

    Raises:
        RecipeError: This is not a plan.
        StoreError: Something differs; the message names it.
    """
    if not hasattr(plan, "identity"):
        raise RecipeError(f"{type(plan).__name__} is not a recipe; write the path of a YAML file, a dictionary, a Recipe or a plan")
    identity = plan.identity
    differences = []
    if split is not None and str(Split.parse(split)) != str(Split.parse(identity.split)):
        differences.append(f"the plan has split '{identity.split}', not '{split}'; leave out split, or open the plan with it")
    if seed is not None and seed != identity.seed:
        differences.append(f"the plan has seed {identity.seed}, not {seed}; leave out seed, or open the plan with it")
    if differences:
        raise StoreError("; ".join(differences))
    if identity.labels != labels_digest(store.manifest.labels):
        differences.append("the labels or their order differ")
    for condition in plan.conditions:
        if identity.conditions.get(condition, "") != store.locations(condition).digest:
            differences.append(f"condition '{condition}' has other content")
    if isinstance(plan, Plan) and not differences:
        inventory = load_inventory(plan.recipe, store, plan.inventory.split)
        if inventory.clips_digest != identity.clips:
            differences.append("the clips table differs")
    if differences:
        raise StoreError(f"the plan was opened on another store than {store.url}: {'; '.join(differences)}; open it on this store")
