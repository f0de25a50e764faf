"""A store that a service keeps: reached over HTTP, with what could not be sent kept on disk. Imports no web framework."""
