"""Seeded mutation of what strangers send: ``make fuzz SECONDS=600``, and half a minute of it in the suite."""
