"""Proxies on this node: files, pointer, check, reload. A proxy is data wherever it can be.

::

    proxy        implements ports.Target
      |
      +---->  layout      the folders under <state>/public, immutable generations
      +---->  pointers    what each kind of proxy reads to find its certificate
      +---->  reloads     how it is asked to load it, and how it judges its configuration
    presets      what is known of each kind of proxy
    proxy_config the proxy's own side, written out for the operator
"""
