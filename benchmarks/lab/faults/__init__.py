"""An API server that misbehaves on demand."""

from .catalogue import Faults
from .fault import Fault, When

__all__ = ["Fault", "Faults", "When"]
