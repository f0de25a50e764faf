"""What was learned: features of candidates, and models of their latency that outlive a tuning run.

Importing this package is cheap: LightGBM and TVM are imported when they are first needed.
"""

from costmodels.model import CostModel, Prediction

__all__ = ["CostModel", "Prediction"]
