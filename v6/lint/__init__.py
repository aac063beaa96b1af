"""Lint of a desk with z3: what is legal and cannot be meant, each finding with a proof or an example.

Import it where it is called: the solver takes a tenth of a second to load, which the daemon need not pay.
"""

from v6.lint.inputs import Inputs, observed
from v6.lint.lint import lint

__all__ = ["Inputs", "lint", "observed"]
