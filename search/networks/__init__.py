"""What a user names, as tasks to tune and a target to tune them for."""
