#!/usr/bin/env python3
"""What people stumble over: each case a command as a user types it, and what must come of it."""

import sys

import use_files
import use_options
from support import Table, main

PARTS = {"files": use_files.cases, "options": use_options.cases}


def body(programs, world, work, arguments):
    table = Table("found_by_use: commands as users type them")
    for name in arguments.parts or PARTS:
        for case in PARTS[name]:
            folder = work / case.__name__
            folder.mkdir()
            case(use_files.Case(table, programs, world, folder))
    return table.end()


def options(parser):
    parser.add_argument("--parts", nargs="*", choices=PARTS, help="only these")


if __name__ == "__main__":
    sys.exit(main(__doc__, body, options))
