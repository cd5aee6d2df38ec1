#!/usr/bin/env python3
"""dbt on a leash: it dies with the run that started it.

A run that is killed would leave its dbt building on, beside the next run and into the same tables. Linux ends a
process with its parent when asked to; the request survives exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp("dbt", ["dbt", *sys.argv[1:]])
