"""How the adapters of one area are made from the configuration; ``certd.app`` puts the areas together."""
