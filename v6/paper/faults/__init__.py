"""Faults on the wire: a seeded script of what goes wrong between a client and the paper gateway."""

from v6.paper.faults.engine import Faults
from v6.paper.faults.script import Fault, FaultScript
from v6.paper.faults.source import FaultScriptError, load_script, parse_script

__all__ = ["Fault", "FaultScript", "FaultScriptError", "Faults", "load_script", "parse_script"]
