"""What the service answers, by path. Each route asks what stands below the service, and decides nothing."""
