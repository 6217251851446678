"""Names of a package that load what is behind them when they are first used (PEP 562)."""

import importlib
import sys
from collections.abc import Callable
from typing import Any


def attach(package: str, places: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and the `__dir__` of a package.

    Args:
        package: Its `__name__`.
        places: {public name: module of the package that has it}; a module that is public itself stands for itself.
    """

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(places)}")
        module = importlib.import_module(f"{package}.{places[name]}")
        return module if places[name] == name else getattr(module, name)

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places})

    return load, listed
