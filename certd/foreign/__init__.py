"""Other ACME clients' folders, read and never written: what they hold, in certd's words."""
