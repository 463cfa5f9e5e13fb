"""Bugs planted on purpose, one patch each: ``make planted`` applies each to a copy and shows which test catches it."""
