"""Numbers that describe a candidate; one file per family of features."""
