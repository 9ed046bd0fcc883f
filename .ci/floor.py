"""Compares a conformance report with the floor: what was the same once must stay the same.

usage: floor.py REPORT FLOOR [--raise]

FLOOR maps a scenario to the number of observations that have to be the same. With --raise it is
rewritten where the report is better; it never gets lower.
"""
import json
import sys

# Observations that a loaded machine may cost by timing alone; a broken promise costs more.
SLACK = 3


def main():
    report_file, floor_file = sys.argv[1:3]
    with open(report_file) as f:
        report = json.load(f)
    try:
        with open(floor_file) as f:
            floor = json.load(f)
    except FileNotFoundError:
        floor = {}
    got = {r["id"]: r["same"] for r in report["results"]}
    below = [(name, least, got.get(name)) for name, least in sorted(floor.items())
             if name in got and got[name] < least]
    missing = [name for name in floor if name not in got]
    if "--raise" in sys.argv[3:]:
        for name, n in got.items():
            floor[name] = max(n, floor.get(name, 0))
        with open(floor_file, "w") as f:
            json.dump(dict(sorted(floor.items())), f, indent=1)
            f.write("\n")
    print("conformance: same %d of %d, floor %d" % (report["same"], report["of"], sum(floor.values())))
    for name, least, now in below:
        print("below the floor: %s: %s, was %s" % (name, now, least))
    if missing:
        print("not in the report any more: " + " ".join(missing))
    lost = sum(least - now for _, least, now in below)
    if lost > SLACK:
        print("that is %d observations too few" % lost)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
