"""Build, verify and plan with the given packages only: `python listed_packages.py CLIPS.csv STORE
PACKAGE...`.

Imports of packages that are neither given nor required by a given one fail, as in an environment
without them.
"""

import ast
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from pathlib import Path


def normalized(name: str) -> str:
    return re.sub("[-_.]+", "-", name.partition("[")[0]).lower()


def with_requirements(packages: set[str]) -> set[str]:
    """Packages and all that they require, as pip would install them."""
    installed: set[str] = set()
    waiting = [*packages, "aiohttp"]  # fsspec[http] requires it
    while waiting:
        name = waiting.pop()
        if name in installed:
            continue
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        installed.add(name)
        waiting += [normalized(re.match("[A-Za-z0-9._-]+", text)[0]) for text in requirements if not re.search(r"extra\s*==", text)]
    return installed


class Blocker:
    """Refuses top-level modules of packages that are not installed."""

    def __init__(self, installed: set[str], providers: dict[str, set[str]]) -> None:
        self._installed, self._providers = installed, providers

    def find_spec(self, name: str, path=None, target=None) -> None:
        if name in self._providers and not self._providers[name] & self._installed:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


def imported_modules(file: Path) -> set[str]:
    """Top-level modules that a Python file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def main(clips: Path, store: str, packages: set[str]) -> None:
    providers = {module: set(map(normalized, names)) for module, names in metadata.packages_distributions().items()}
    sys.meta_path.insert(0, Blocker({"streamaug"} | with_requirements(packages), providers))

    import_module("streamaug.cli.main")  # the command itself must start, too
    from streamaug.building.build import build
    from streamaug.conditions import parse_conditions
    from streamaug.planning.open_plan import open_plan
    from streamaug.recipes import load_recipe
    from streamaug.store import Store
    from streamaug.verifying.verify import verify

    with ThreadPoolExecutor(1) as executor:
        build(clips, store, conditions=parse_conditions("mp3_32,noise+aac_32"), executor=executor)
        assert not verify(Store.open(store), decode=True, executor=executor).findings
    recipe = clips.with_name("recipe.yaml")
    recipe.write_text("title: two\ndraw: union\nmixture: {original: 1, mp3_32: 1}\n")
    open_plan(load_recipe(recipe), Store.open(store))
    assert "torch" not in sys.modules

    files = [module.__file__ for name, module in sys.modules.items() if name.startswith("streamaug")]
    imported = set().union(*(imported_modules(Path(file)) for file in files if file))
    superfluous = packages - set().union(*(providers.get(name, set()) for name in imported))
    assert not superfluous, f"listed, but not imported: {superfluous}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], set(map(normalized, sys.argv[3:])))
