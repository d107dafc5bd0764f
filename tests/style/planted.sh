#!/bin/sh
# A planted defect that no longer fits the code would look like one that is found by nobody.
exec /usr/bin/python3 -B scripts/planted --check
