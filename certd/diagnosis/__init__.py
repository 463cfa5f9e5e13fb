"""The doctor: named checks giving findings.

::

    checklist   every check by its code and name; runs them side by side, none beyond the deadline
      +---->  names, stored, served, http, deploying, policy     the checks, grouped as people read them
    patient     a link, or a bare host, and the evidence, gathered once for all checks
    findings    pass, warn, fail, skip: a sentence, and the hint
"""
