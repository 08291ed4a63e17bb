"""`python -m k9lite.proxy`, as the control plane and the proxy's parent start it: nothing else is imported."""

from __future__ import annotations

import sys

from k9lite.proxy.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
