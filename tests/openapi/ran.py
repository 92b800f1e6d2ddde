"""Whether every check of Schemathesis ran, from its report of the run; tests/openapi/check asks.

  ran.py names                   the checks that the tool has, as its option --checks takes them
  ran.py whole REPORT OUTPUT     ends with 1 and a line for each thing that was not as it must be
"""

import json
import pathlib
import sys

from schemathesis.checks import CHECKS, load_all_checks

PEER = "rival"


def names():
    load_all_checks()
    return sorted(CHECKS.get_all_names())


def scenarios(report):
    """What was sent and checked, step by step."""
    for line in report.open(encoding="utf-8"):
        event = json.loads(line)
        if "ScenarioFinished" in event:
            yield event["ScenarioFinished"]["recorder"]


def answered(scenario, case_id):
    return scenario.get("interactions", {}).get(case_id, {}).get("response", {}).get("status_code")


def missing(report, output):
    ran, refused = set(), set()
    for scenario in scenarios(report):
        for checks in scenario.get("checks", {}).values():
            ran |= {check["name"] for check in checks if check["status"] == "success"}
        for case_id, node in scenario.get("cases", {}).items():
            case = node["value"]
            # An object has its id in the path; a list that the other sees of its own proves nothing.
            if case.get("auth_identity") == PEER and case.get("path_parameters") and answered(scenario, case_id) == 404:
                refused.add(case["path"])
    # It takes a number instead of being among those that have a name.
    for name in sorted({*names(), "max_response_time"} - ran):
        yield f"the check {name} did not run"
    if not refused:
        yield "object_level_authorization asked for nobody's object as another tenant"
    for line in output.read_text(encoding="utf-8").splitlines():
        if "\N{WARNING SIGN}" in line or "warning" in line.lower():
            yield f"a warning: {line.strip()}"
    print(f"\nchecks that ran: {len(ran)}; another tenant was refused: {', '.join(sorted(refused))}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["names"]:
            print(",".join(names()))
        case ["whole", report, output]:
            wrong = list(missing(pathlib.Path(report), pathlib.Path(output)))
            for line in wrong:
                print(f"tests/openapi/ran.py: {line}", file=sys.stderr)
            sys.exit(1 if wrong else 0)
        case _:
            sys.exit(__doc__)
