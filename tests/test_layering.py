"""Imports go one way: a module imports what is on the floors below its own, without circles.

Imports inside functions and under TYPE_CHECKING count too: a name that only a type checker sees is
still an idea that the lower floor would have to know.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("streamaug", "train", "tools", "tests")

FLOORS = (
    (
        "code_digests",
        "condition_names",
        "conditions",
        "crop",
        "dask_executor",
        "digests",
        "errors",
        "executors",
        "files",
        "folder_lock",
        "hints",
        "interrupts",
        "keys",
        "machine",
        "packages",
        "plugins",
        "printable",
        "progress",
        "references",
        "retry",
        "splits",
        "temporary",
        "yaml_lines",
    ),
    ("codecs", "effects", "features", "links"),
    ("store",),
    ("pages", "reading", "recipes"),
    ("building", "planning", "quality", "verifying"),
    ("streaming",),
    ("integrations", "streamaug"),
    ("explore", "stress"),
    ("cli", "testing"),
    ("__main__",),
    ("train",),
    ("tools",),
    ("tests",),
)
"""From the bottom up; `streamaug` is the package's own `__init__.py`. Folders on one floor may not
import each other."""

ROOT_MODULES = FLOORS[0]
"""The one floor whose modules may import each other: each is a few lines that everything needs."""


def imports_of(path: Path, module: str, modules: Iterable[str]) -> Iterator[str]:
    """The modules of this repository that a file imports, wherever in the file."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` imports the module, `from module import name` does not.
            names = [f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules else source for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in TOPS)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports() -> dict[str, set[str]]:
    paths = {module_name(path): path for top in TOPS for path in (ROOT / top).rglob("*.py")}
    return {module: set(imports_of(path, module, paths)) - {module} for module, path in paths.items()}


IMPORTS = read_imports()


def folder_of(module: str) -> str:
    """The folder, or the module at the root of the library, that has a floor."""
    first, *rest = module.split(".")
    return rest[0] if first == "streamaug" and rest else first


def floor_of(module: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if folder_of(module) in floor)


def is_allowed(source: str, target: str) -> bool:
    if folder_of(source) == folder_of(target):
        return True
    if floor_of(source) == floor_of(target):
        return folder_of(source) in ROOT_MODULES
    return floor_of(source) > floor_of(target)


def circle_in(imports: Mapping[str, set[str]]) -> list[str]:
    """The modules of one circle, in the order of their imports; empty if there is none."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        for target in sorted(imports.get(module, ())):
            if circle := visit(target, [*path, module]):
                return circle
        finished.add(module)
        return []

    return next((circle for module in sorted(imports) if (circle := visit(module, []))), [])


def test_every_module_has_a_floor() -> None:
    homeless = [module for module in IMPORTS if not any(folder_of(module) in floor for floor in FLOORS)]
    assert homeless == [], "give the new folder a floor here and a sentence in docs/architecture.md"


def test_imports_go_down_and_never_up_or_sideways() -> None:
    wrong = [f"{source} imports {target}" for source, targets in IMPORTS.items() for target in targets if not is_allowed(source, target)]
    assert sorted(wrong) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle_in(IMPORTS) == []


@pytest.mark.parametrize("top", ["streamaug", "train", "tools"])
def test_nothing_that_is_used_imports_the_tests(top: str) -> None:
    for module, targets in IMPORTS.items():
        if module.split(".")[0] == top:
            assert not any(target.split(".")[0] == "tests" for target in targets), module


def test_the_library_and_the_general_trainer_import_no_tools_nor_the_paper() -> None:
    for module, targets in IMPORTS.items():
        if module.split(".")[0] in ("streamaug", "train"):
            assert not any(target.split(".")[0] == "tools" for target in targets), module
        if module.startswith("train.") and not module.startswith("train.paper"):
            assert not any(target.startswith("train.paper") for target in targets), module


def test_an_import_that_goes_up_and_a_circle_would_be_found() -> None:
    assert not is_allowed("streamaug.store.store", "streamaug.streaming.stream")
    assert not is_allowed("streamaug.planning.plan", "streamaug.building.build")
    assert is_allowed("streamaug.streaming.stream", "streamaug.store.store")
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c", "a"]
