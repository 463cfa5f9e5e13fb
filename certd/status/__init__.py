"""What certd knows of each link: its state, in bulk, in words, followed as it changes."""
