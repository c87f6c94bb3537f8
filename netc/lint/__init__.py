"""What runs and probably does not do what its author meant: rules for nets and for solvers."""

from netc.lint.net import lint_net as lint_net
from netc.lint.rules import Finding as Finding
from netc.lint.rules import Net as Net
from netc.lint.solver import lint_solver as lint_solver
