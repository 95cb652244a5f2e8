"""Names, roles, zones and ports of the processes of a local fleet.

Offsets from SLUICE_PORT, so that fleets whose ports are 100 apart can run side by side:
    +0 tenants   +1..+9 routers' admin   +10 memds-1   +12 control   +15 postgres   +16 memds-2
    +20.. nodes: one for each loop and one for the admin port, so ten nodes with LOOPS_MAX loops end before +100
"""

from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
REGION = "us-east-1"
ZONES = ("zone-a", "zone-b", "zone-c")
LOOPS_MAX = 7  # of a node, here
PORTS = 100  # of a fleet
NODES_AT = 20
# A node's settings, for loads that are to meet the limits of the machine and not those of a partition.
NO_CAPS = ("--partition-read-units", "0", "--partition-write-units", "0")
MEMDS = {1: 10, 2: 16}  # number of the instance: offset of its ports


@dataclass
class Place:
    """Where a process runs, when that is not this machine's loopback."""

    host: str = HOST
    prefix: list = field(default_factory=list)       # words before its command
    environment: dict = field(default_factory=dict)  # on top of ours


@dataclass
class Process:
    """One row of fleet.json, before it has a pid."""

    name: str
    role: str
    ports: dict
    arguments: list = field(default_factory=list)
    zone: str = ""
    data_dir: str = ""
    place: Place = field(default_factory=Place)

    @property
    def admin_url(self):
        return f"http://{self.place.host}:{self.ports['admin']}" if "admin" in self.ports else ""


class Layout:
    """Where everything of one fleet is. `home` and `port` are SLUICE_HOME and SLUICE_PORT; each node has `loops` loops and, beside
    the usual ones, `node_settings`; so does control. `places`: of processes, by name; whoever is not in it is on loopback."""

    def __init__(self, home, port, binaries, loops=1, node_settings=(), control_settings=(), places=None):
        self.home = Path(home)
        self.port = port
        self.binaries = Path(binaries)
        self.loops = loops
        self.node_settings = node_settings
        self.control_settings = control_settings
        self.places = places or {}

    def place(self, name):
        return self.places.get(name) or Place()

    def path(self, *parts):
        return self.home.joinpath(*parts)

    @property
    def cluster_key(self):
        return self.path("secrets", "cluster.key")

    def cluster_id(self):
        """A number of this fleet alone; services refuse connections of another one."""
        return int(self.path("secrets", "cluster.id").read_text(encoding="ascii"))

    @property
    def operator_token(self):
        return self.path("secrets", "operator.token")

    def postgres(self):
        return Process("postgres", "postgres", {"data": self.port + 15},
                       data_dir=str(self.path("postgres", "data")))

    def memds(self, number):
        base = self.port + MEMDS[number]
        return self._daemon(f"memds-{number}", "memds", {"data": base, "admin": base + 1}, "",
                            ["--peers", self.memds_addresses])

    @property
    def memds_addresses(self):
        return ",".join(f"{self.place(f'memds-{n}').host}:{self.port + offset}" for n, offset in MEMDS.items())

    @property
    def control_address(self):
        return f"{self.place('control-1').host}:{self.port + 12}"

    def control(self):
        ports = {"data": self.port + 12, "admin": self.port + 13, "operator": self.port + 14}
        socket_dir = self.path("postgres", "socket")
        return self._daemon("control-1", "control", ports, "", [
            "--operator-port", str(ports["operator"]),
            "--operator-token-file", str(self.operator_token),
            "--database", f"host={socket_dir} port={self.port + 15} user=sluice dbname=sluice",
            "--memds", self.memds_addresses,
            "--region", REGION,
            *self.control_settings,
        ])

    @property
    def nodes_max(self):
        """As many have ports before the next fleet's."""
        return (PORTS - NODES_AT) // (self.loops + 1)

    def node(self, number, zone=None):
        """Nodes are numbered from 1; without a zone of its own each is in the next one."""
        base = self.port + NODES_AT + (self.loops + 1) * (number - 1)
        ports = {"data": base, "admin": base + self.loops}
        zone = zone or ZONES[(number - 1) % len(ZONES)]
        return self._daemon(f"node-{number}", "node", ports, zone, [
            "--control", self.control_address,
            "--memds", self.memds_addresses,
            "--zone", zone,
            "--loops", str(self.loops),
            *self.node_settings,
        ])

    def router(self, number):
        ports = {"data": self.port, "admin": self.port + number}
        zone = ZONES[(number - 1) % len(ZONES)]
        return self._daemon(f"router-{number}", "router", ports, zone, [
            "--control", self.control_address,
            "--memds", self.memds_addresses,
            "--region", REGION,
            "--zone", zone,
        ])

    def processes(self, nodes):
        return [self.postgres(), *(self.memds(n) for n in MEMDS), self.control(),
                *(self.node(n) for n in range(1, nodes + 1)),
                self.router(1), self.router(2)]

    def _daemon(self, name, role, ports, zone, more):
        data_dir = self.path("data", name)
        place = self.place(name)
        arguments = [str(self.binaries / f"sluice-{role}"),
                     "--name", name,
                     "--host", place.host,
                     "--admin-host", place.host,
                     "--port", str(ports["data"]),
                     "--admin-port", str(ports["admin"]),
                     "--data-dir", str(data_dir),
                     "--cluster-id", str(self.cluster_id()),
                     *([] if role == "node" else ["--cluster-key-file", str(self.cluster_key)]),
                     *more]
        return Process(name, role, ports, arguments, zone, str(data_dir), place)
