"""Enabled names to sinks, by the entry points of the group `connector.sinks`."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from connector.environment import EnvSettings
from connector.errors import Problem, SettingsError
from connector.sinks.contract import Sink

GROUP = "connector.sinks"
_VARIABLE = "CONNECTOR_SINKS"


def installed() -> Mapping[str, EntryPoint]:
    """Return every sink that is installed, by name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def create_sinks(
    names: Sequence[str], environ: Mapping[str, str], points: Mapping[str, EntryPoint] | None = None
) -> tuple[Sink, ...]:
    """Create the named sinks from their own variables, in the order named.

    Raises: SettingsError, with the problems of all of them.
    """
    known = installed() if points is None else points
    problems = list(_naming_problems(names, known))
    sinks = []
    for name in dict.fromkeys(names):
        if name not in known:
            continue
        try:
            sinks.append(_create(known[name], environ))
        except SettingsError as exc:
            problems.extend(exc.problems)
    if problems:
        raise SettingsError(problems)
    return tuple(sinks)


def _create(point: EntryPoint, environ: Mapping[str, str]) -> Sink:
    sink: Sink = point.load()(environ)
    return sink


def _naming_problems(names: Sequence[str], known: Mapping[str, EntryPoint]) -> Iterable[Problem]:
    available = ", ".join(known)
    if not names:
        yield Problem(_VARIABLE, f"must name a sink; there are: {available}")
    for name in dict.fromkeys(names):
        if name not in known:
            yield Problem(_VARIABLE, f"there is no sink {name!r}; there are: {available}")
        elif names.count(name) > 1:
            yield Problem(_VARIABLE, f"names {name!r} more than once")


def settings_class(name: str, points: Mapping[str, EntryPoint] | None = None) -> type[EnvSettings]:
    """Return the class of a sink's own variables: the one its `settings` module defines."""
    module = import_module(f"{(points or installed())[name].module}.settings")
    own = (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__)
    return next(one for one in own if issubclass(one, EnvSettings))


def settings_names(names: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return the variables that each of the named sinks reads itself; one that is not installed reads none."""
    # Another sink's modules stay unloaded: with all of them a process is a fifth larger.
    return {name: settings_class(name).names() for name in installed().keys() & set(names)}
