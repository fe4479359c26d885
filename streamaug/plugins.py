"""Find plug-ins: parts that any installed package announces under a name in an entry-point group.

The groups `streamaug.effects`, `streamaug.codecs` and `streamaug.features` are a public promise;
docs/extending.md shows one plug-in of each.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from streamaug.errors import PluginError
from streamaug.hints import nearest
from streamaug.packages import missing_package_error

EFFECTS = "streamaug.effects"
CODECS = "streamaug.codecs"
FEATURES = "streamaug.features"


def names(group: str) -> tuple[str, ...]:
    """Names that installed packages announce in a group, sorted.

    Args:
        group: Entry-point group, such as `streamaug.effects`.

    >>> "noise" in names("streamaug.effects")
    True
    """
    return tuple(sorted(entry_points(group=group).names))


def find(group: str, name: str) -> Any:
    """Import a plug-in and return the object that its entry point names: a class, or a function
    that makes one.

    Args:
        group: Entry-point group, such as `streamaug.effects`.
        name: Name in the group.

    Raises:
        PluginError: No installed package announces the name, two announce it, or the plug-in cannot
            be imported.
        MissingPackageError: It needs an optional package of streamaug that is not installed.
    """
    # A package that is on the path twice announces its plug-ins twice, with the same value.
    matches = {entry.value: entry for entry in entry_points(group=group, name=name)}
    if not matches:
        raise PluginError(f"no plug-in '{name}' in the entry-point group '{group}'. {nearest(name, names(group))}")
    if len(matches) > 1:
        packages = " and ".join(sorted(map(_package, matches.values())))
        raise PluginError(f"plug-in '{name}' in the entry-point group '{group}' comes from {packages}; uninstall one of them")
    (entry,) = matches.values()
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        raise missing_package_error(error) or _broken(entry, group, error) from error
    except Exception as error:  # a plug-in is foreign code: whatever it raises while it is imported
        raise _broken(entry, group, error) from error


def _broken(entry: EntryPoint, group: str, error: Exception) -> PluginError:
    return PluginError(
        f"plug-in '{entry.name}' of package {_package(entry)} cannot be imported (entry point '{entry.value}' in '{group}'): "
        f"{type(error).__name__}: {error}; install what it needs, or uninstall the package"
    )


def _package(entry: EntryPoint) -> str:
    """Name and version of the package that announces an entry point."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "without a name"
