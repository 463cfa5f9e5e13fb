"""Transcripts: command, exit code, output."""
