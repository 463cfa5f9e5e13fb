"""The click: what certd knows of the path from a mailed link to the e-mail service, and how it looks at it.

The modules stand at different layers (pyproject.toml names each), so this package imports nothing itself.
"""
