"""What the Python layer refuses before any user code runs."""

from __future__ import annotations

from ..layers.test_bad_input import Bad
from .python import MODULE

# fmt: off
BAD = [
    Bad("Python", fields, [(2, 3)], message, at, hint)
    for fields, message, at, hint in (
        ("", "python_param needs a module", "layer", None),
        ("^python_param { layer: 'Square' }", "python_param needs a module", "", None),
        (f"^python_param {{ module: '{MODULE}' }}", "python_param needs a layer", "", None),
        ("python_param { module: ^'no_such_module' layer: 'Square' }",
            "No module named 'no_such_module'", "",
            "modules are found in the current folder and on PYTHONPATH"),
        ("python_param { module: ^'tests.no_such_module' layer: 'Square' }",
            "No module named 'tests.no_such_module'", "",
            "modules are found in the current folder and on PYTHONPATH"),
        ("python_param { module: ^'roi_data_layer.layer' layer: 'RoIDataLayer' }",
            "No module named 'roi_data_layer.layer'", "",
            "RoIDataLayer has its images from py-faster-rcnn's train_net.py: fill data, im_info "
            "and gt_boxes from Input layers"),
        (f"python_param {{ module: '{MODULE}' layer: ^'Sqare' }}",
            f"module '{MODULE}' has no 'Sqare'", "", "did you mean 'Square'?"),
        (f"python_param {{ module: '{MODULE}' layer: ^'NUMBER' }}",
            f"'NUMBER' of module '{MODULE}' is neither a class nor a function, "
            "but of type int", "", None),
    )
]
# fmt: on
