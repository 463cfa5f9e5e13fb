"""Die at every numbered call of an issuance, a renewal and a deployment; let another take over."""
