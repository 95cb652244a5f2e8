"""`./dev up | down | status | start NAME | node add`."""

import os
import sys

from deploy.local.fleet import Fleet, FleetError, is_alive


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def up(fleet):
    started = fleet.up(say=say)
    values = fleet.environment()
    print("The fleet runs." if started else "The fleet runs already.")
    print(f"""
  endpoint    {values['SLUICE_ENDPOINT']}
  access key  {values['AWS_ACCESS_KEY_ID']}
  secret key  {values['AWS_SECRET_ACCESS_KEY']}
  region      {values['AWS_DEFAULT_REGION']}

Try:
  source {fleet.layout.path('env.sh')}
  aws --endpoint-url $SLUICE_ENDPOINT dynamodb list-tables""")


def down(fleet):
    fleet.down(say=say)
    print("The fleet is down; its data stays in", fleet.layout.home)


def status(fleet):
    rows = fleet.rows()
    if not rows:
        print("No fleet in", fleet.layout.home)
        return
    print(f"{'NAME':<12}{'ROLE':<10}{'ZONE':<8}{'PID':>8}  {'STATE':<9}ADMIN")
    for row in rows:
        state = "running" if is_alive(row["pid"]) else "down"
        print(f"{row['name']:<12}{row['role']:<10}{row['zone'] or '-':<8}{row['pid']:>8}  {state:<9}"
              f"{row['admin_url'] or '-'}")


def start(fleet, name):
    if not fleet.start(name):
        print(name, "runs already")
        return
    fleet.wait_ready(name)
    print(name, "is ready, pid", fleet.row(name)["pid"])


def add_node(fleet, zone):
    name = fleet.add_node(zone)
    row = fleet.row(name)
    print(f"{name} joined in {row['zone']}, pid {row['pid']}")


def main(arguments):
    loops = int(os.environ["SLUICE_LOOPS"]) if "SLUICE_LOOPS" in os.environ else None
    fleet = Fleet(os.environ["SLUICE_HOME"], int(os.environ["SLUICE_PORT"]), os.path.abspath("build/release"), loops)
    match arguments:
        case ["up"]:
            up(fleet)
        case ["down"]:
            down(fleet)
        case ["status"]:
            status(fleet)
        case ["start", name]:
            start(fleet, name)
        case ["node", "add"]:
            add_node(fleet, None)
        case ["node", "add", "--zone", zone] if zone:
            add_node(fleet, zone)
        case _:
            print("usage: ./dev up | down | status | start NAME | node add [--zone ZONE]", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FleetError as error:
        print(f"./dev: {error}", file=sys.stderr)
        sys.exit(1)
