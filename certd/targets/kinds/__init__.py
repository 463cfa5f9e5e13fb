"""One file for each kind of proxy, ending in its ``KIND``; ``certd.targets.registry`` has their names."""
