"""One file per family of cost models, all behind `costmodels.model.CostModel`."""
