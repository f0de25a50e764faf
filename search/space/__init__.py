"""A task's design spaces: sampling, changing and replaying their decisions."""
