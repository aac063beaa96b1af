"""Template and chain in, structure out: pure."""

from v6.strategy.build import Offer, Proposal, Refused, build
from v6.strategy.choose import candidate_strikes, choose_expiry
from v6.strategy.net import net_mid, net_natural
from v6.strategy.spreads import Spread, spreads

__all__ = [
    "Offer",
    "Proposal",
    "Refused",
    "Spread",
    "build",
    "candidate_strikes",
    "choose_expiry",
    "net_mid",
    "net_natural",
    "spreads",
]
