"""The whole thing on real servers."""
