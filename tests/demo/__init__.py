"""``make demo``: the main job before your eyes, on nothing but what the set-up installed."""
