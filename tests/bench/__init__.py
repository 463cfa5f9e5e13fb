"""``make bench``: what certd costs, measured as ratios in one run where there is something to compare with."""
