"""Virtual years: the same planners, engine, issuance and deployment over models of the world, driven by a seed."""
