"""One suite for each port, over the fake and over every real adapter: this keeps the fakes honest."""
