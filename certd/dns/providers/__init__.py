"""Ways to publish TXT records: each knows zones and values, and nothing of ACME."""
