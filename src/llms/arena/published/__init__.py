"""Results that others published, as values: read from files and the hub, graded by what they are worth, written for others."""
