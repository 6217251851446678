"""The rules, by subject. Each file here is found by itself: a rule needs no entry in any list."""

import importlib
import pkgutil

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")
