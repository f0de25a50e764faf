"""The views, a module each: pure functions from a store and filters to panels (`service.dashboard.registry`)."""
