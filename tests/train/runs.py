"""Settings of small runs."""

from train.config import read_config


def config_of(store, recipe, tmp_path, *overrides):
    """A run of three steps in `tmp_path / "run"`."""
    plain = (
        f"store={store}",
        f"recipe={recipe}",
        f"run={tmp_path / 'run'}",
        "width=1/24",
        "steps=3",
        "cycles=1",
        "accelerator=cpu",
        "threads=1",
    )
    return read_config(None, [*plain, *overrides])
