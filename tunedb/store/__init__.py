"""The store: its contract, its tables, and the implementations that keep the contract."""
