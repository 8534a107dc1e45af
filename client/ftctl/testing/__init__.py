"""For tests of your own code: a daemon in this process that trains nothing.

from ftctl.testing import FakeDaemon
"""

from ftctl.testing.daemon import FakeDaemon

__all__ = ["FakeDaemon"]
