"""What clients see: TLS handshakes. Implements ``ports.EndpointProber``."""
