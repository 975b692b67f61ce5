"""Memory and connections of the soak's processes, from /proc (Linux), and when the emulator does not answer."""

from __future__ import annotations

import contextlib
import ipaddress
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from soak.verdict import Absence, Kind

_PROC = Path("/proc")
_KIB_A_MIB = 1024
PROBE_SECONDS = 2.0
_LONGEST_SILENCE = 60.0


def descendants(roots: Iterable[int]) -> dict[int, int]:
    """Return these processes and all below them, each with the root it is below."""
    parents: dict[int, int] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name can have blanks and brackets; the parent comes after its last bracket.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {root: root for root in roots}
    grown = True
    while grown:
        below = {pid: found[up] for pid, up in parents.items() if up in found and pid not in found}
        found |= below
        grown = bool(below)
    return found


def resident_mib(pid: int) -> int:
    """Return the resident memory; 0 for a process that has ended."""
    with contextlib.suppress(OSError, StopIteration):
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmRSS:"))
        return int(line.split()[1]) // _KIB_A_MIB
    return 0


def foreign_connections(pids: Iterable[int]) -> int:
    """Return how many TCP connections these processes have to addresses other than loopback."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    count = 0
    for name in ("tcp", "tcp6"):
        for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and not _is_local(fields[2].partition(":")[0]):
                count += 1
    return count


def _sockets(pid: int) -> Iterable[str]:
    with contextlib.suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def _is_local(hexadecimal: str) -> bool:
    """Whether an address as /proc/net has it (words in the machine's byte order) is loopback or none."""
    words = bytes.fromhex(hexadecimal)
    raw = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


class Peaks:
    """The most memory of each kind of process, and connections that left this machine."""

    def __init__(self) -> None:
        self.mib: dict[str, int] = {}
        self.foreign = 0

    def sample(self, roots: Mapping[int, str], parent: int) -> None:
        """Look once. `roots` are names of processes; those below `parent` are functions."""
        found = descendants(roots)
        for pid, root in found.items():
            name = "a function" if root == parent and pid != root else roots[root]
            if pid == root or root == parent:
                self.mib[name] = max(self.mib.get(name, 0), resident_mib(pid))
        self.foreign += foreign_connections(found)


class Silences:
    """When the emulator did not answer its simplest request for two seconds: it serves one at a time."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint}/_ministack/health"
        self._next = 0.0
        self.absences: list[Absence] = []

    def tick(self) -> None:
        """Ask when it is time to, and wait for the answer."""
        if time.monotonic() < self._next:
            return
        began = time.time()
        with contextlib.suppress(OSError):
            urllib.request.urlopen(self._url, timeout=_LONGEST_SILENCE).close()
        ended = time.time()
        if ended - began >= PROBE_SECONDS:
            self.absences.append(Absence(began, ended, Kind.SILENCE))
        self._next = time.monotonic() + PROBE_SECONDS
