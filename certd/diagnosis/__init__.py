"""The doctor: named checks giving findings."""
