"""The dashboard: views of a store as pages, each plot with its table, drawn here and without any network."""
