"""A store as Delta Lake tables, in a folder or an object store, queried by DuckDB."""
