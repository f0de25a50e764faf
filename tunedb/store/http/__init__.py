"""A store that a service keeps, reached over HTTP; what could not be sent waits on disk. No web framework."""
