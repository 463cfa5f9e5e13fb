"""Long runs under load: `make soak`. What it saw is printed."""
