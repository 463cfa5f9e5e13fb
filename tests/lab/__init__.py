"""Real servers for the tests and the demo: started on loopback and high ports, stopped by the ids they got."""
