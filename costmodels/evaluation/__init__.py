"""How good a model is on what it has not seen: splits, the accuracy gate, and reports of both."""
