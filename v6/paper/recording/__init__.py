"""What passed between a client and a gateway: recorded by a tee, answered from the file, compared with our codec."""

from v6.paper.recording.compare import Comparison, Row, compare
from v6.paper.recording.entries import Entry, Recording, What, load_recording
from v6.paper.recording.replay import ReplayServer
from v6.paper.recording.tee import Recorder

__all__ = [
    "Comparison",
    "Entry",
    "Recorder",
    "Recording",
    "ReplayServer",
    "Row",
    "What",
    "compare",
    "load_recording",
]
