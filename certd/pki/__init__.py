"""Keys, chains and the gate between them and a proxy: pure cryptography, no file and no socket."""
