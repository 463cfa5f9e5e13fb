"""Sole reader of the configuration: the file in, settings or every mistake at once out.

::

    loading     includes, defaults, what must fit together
      +---->  files       one file, its mistakes in our words
      +---->  schema      tables and types
      |             lines: on which line a key path stands
      +---->  words       durations, domain names, references to secrets
    settings    what comes out: frozen, complete
"""
