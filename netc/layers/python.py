"""Layers in Python: a class in Caffe's interface on the host, or a JAX function in the program."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from netc.alias import call_it_caffe
from netc.errors import RunError, did_you_mean
from netc.layers.base import BlobSpec, Layer, LayerDef, register, stateless
from netc.layers.elsewhere import MODULES
from netc.layers.hosted import Hosted, blaming
from netc.layers.rpn import NATIVE


@register("Python", bottoms=(0, None), tops=(0, None), in_place=True)
def python(d: LayerDef) -> Layer:
    """What `layer` of `module` is: a class with Caffe's methods, or a function of JAX arrays.

    The classes of py-faster-rcnn's modules rpn.* are netc's own, compiled with the net.
    Caffe: python_layer.hpp.
    """
    p = d.param.python_param
    for field in ("module", "layer"):
        if not getattr(p, field):
            d.fail(f"python_param needs a {field}", "python_param")
    if native := NATIVE.get((p.module, p.layer)):
        return native(d)
    module = _module(d, p.module)
    found = getattr(module, p.layer, None)
    if found is None:
        known = [k for k, v in vars(module).items() if callable(v)]
        d.fail(
            f"module '{p.module}' has no '{p.layer}'", "layer", hint=did_you_mean(p.layer, known)
        )
    if inspect.isclass(found):
        host = d.before.host if d.before and d.before.host else Hosted(d, found)
        return host.layer(d)
    if not callable(found):
        d.fail(
            f"'{p.layer}' of module '{p.module}' is neither a class nor a function, "
            f"but of type {type(found).__name__}",
            "layer",
        )
    return _traced(d, found)


def _module(d: LayerDef, name: str) -> ModuleType:
    """The module, from the Python path or the current folder."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    importlib.invalidate_caches()
    call_it_caffe()
    missing = False
    try:
        with blaming(d, name, f"importing module '{name}'"):
            try:
                return importlib.import_module(name)
            except ModuleNotFoundError as error:
                missing = error.name is not None and f"{name}.".startswith(f"{error.name}.")
                raise
    except RunError:
        if not missing:
            raise
    folders = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    near = did_you_mean(name, [m.name for m in pkgutil.iter_modules(folders)])
    d.fail(
        f"No module named '{name}'",
        "module",
        hint=MODULES.get(name)
        or near
        or "modules are found in the current folder and on PYTHONPATH",
    )


def _traced(d: LayerDef, f: Callable[..., Any]) -> Layer:
    """A function that is compiled and differentiated with the net.

    f(*bottoms), or f(blobs, *bottoms) where it has an attribute `blobs`: shapes or BlobSpecs. It
    is given `param_str` and `phase` if it has arguments of these names.
    """
    given = {"param_str": d.param.python_param.param_str, "phase": d.phase}
    takes = inspect.signature(f).parameters
    options = {k: v for k, v in given.items() if k in takes}
    specs = [
        s if isinstance(s, BlobSpec) else BlobSpec(tuple(map(int, s)))
        for s in getattr(f, "blobs", ())
    ]
    name = d.param.python_param.layer

    def apply(blobs: Sequence[Any], *bottoms: Any) -> Any:
        with blaming(d, d.param.python_param.module, f"in {name}"):
            return f(blobs, *bottoms, **options) if specs else f(*bottoms, **options)

    return stateless(apply, specs)
