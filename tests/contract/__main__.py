"""A client written from the contract alone, against a live daemon: every route, field name, status and code that the
contract promises is asked for, and every answer is held to what is common to all.

    python3 -B tests/contract target/debug/storyclip              all of it
    python3 -B tests/contract target/debug/storyclip NAME …       tests whose names contain one of these

Nothing but Python's standard library is needed. Daemon, stand-in and database are private and end with this command.
"""

import pathlib
import sys
import unittest

import case
from services import Services


def main():
    program, *names = sys.argv[1:]
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in names] or None
    tests = loader.discover(str(pathlib.Path(__file__).parent), "test_*.py")
    case.services = Services(program)
    try:
        result = unittest.TextTestRunner(verbosity=1).run(tests)
    finally:
        case.services.stop()
    return 0 if result.wasSuccessful() and result.testsRun else 1


sys.exit(main())
