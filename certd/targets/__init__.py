"""Proxies on this node: files, pointer, check, reload. A proxy is data wherever it can be.

::

    proxy        implements ports.Target
      |
      +---->  layout      the folders under <state>/public, immutable generations
      +---->  pointers    what a proxy reads to find its certificate
      +---->  reloads     how it is asked to load it, and how it judges its configuration
    kind         what certd knows of a kind of proxy
    kinds        one file for each, with the proxy's own side as certd writes it for the operator
    registry     the kinds by name
"""
