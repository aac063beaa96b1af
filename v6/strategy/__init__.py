"""Template and chain in, structure out: pure."""

from v6.strategy.build import Offer, Proposal, Refused, build
from v6.strategy.choose import candidate_strikes, choose_expiry, sides
from v6.strategy.net import net_mid, net_natural

__all__ = [
    "Offer",
    "Proposal",
    "Refused",
    "build",
    "candidate_strikes",
    "choose_expiry",
    "net_mid",
    "net_natural",
    "sides",
]
