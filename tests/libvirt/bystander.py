#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wants to run every 100 ms, as iocored does, and has nothing to do with anybody:  bystander.py FILE
# Prints, for as long as FILE is there, how late it was each time, in microseconds: that is what the machine does.
import os
import sys
import time

PERIOD = 0.1


def main():
    due = time.monotonic()
    while os.path.exists(sys.argv[1]):
        due += PERIOD
        time.sleep(max(0, due - time.monotonic()))
        late = time.monotonic() - due
        print(int(late * 1e6), flush=True)
        due += late // PERIOD * PERIOD  # what was missed is not made up for


main()
