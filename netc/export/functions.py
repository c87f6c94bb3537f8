"""What Caffe's layers compute, as plain functions of arrays, by name.

`netc export --jax-source` copies those that a net needs, so they use nothing but JAX. They are
written to be read; `netc.lowering` has the quick ones.
"""

from __future__ import annotations

import inspect

from netc.export import functions_flow, functions_layers, functions_regions

FAMILIES = (functions_layers, functions_regions, functions_flow)
FUNCTIONS = {
    name: f
    for module in FAMILIES
    for name, f in vars(module).items()
    if inspect.isfunction(f) and f.__module__ == module.__name__
}
