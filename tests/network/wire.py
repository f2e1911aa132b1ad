"""Two machines on one wire: network namespaces, each with a device whose packets this process carries.

    python wire.py DELAY LOSS

A packet arrives DELAY seconds after it was sent, or, with the probability LOSS, never. The first line
that is written has the numbers of two processes; who enters the network of the first is at 10.9.0.1, and
the other at 10.9.0.2. Then lines are read: `cut` carries nothing any more, and `mend` carries again. With
the end of what is read, all ends. It takes the right to make namespaces.
"""

import ctypes
import fcntl
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque

PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
TUN_WITHOUT_HEADER = 0x1001
STANDARD_INPUT, STANDARD_OUTPUT = 0, 1
PACKET_BYTES_MAX = 65_536
IP = shutil.which("ip") or "ip"


def machine(address: str, to_parent: socket.socket) -> None:
    """Become a machine of its own, hand over its device, and stay as long as the parent does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        sys.exit(os.strerror(ctypes.get_errno()))
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"wire", TUN_WITHOUT_HEADER))
    for words in ("addr add {}/24 dev wire", "link set wire up", "link set lo up"):
        subprocess.run([IP, *words.format(address).split()], check=True)
    socket.send_fds(to_parent, [b"x"], [device])
    signal.pause()


def carry(devices: dict[int, int], delay: float, loss: float) -> None:
    """Carry packets from each device to the other, until standard input ends."""
    chance = random.Random(1)
    on_the_way: deque[tuple[float, int, bytes]] = deque()
    is_cut = False
    while True:
        wait = max(on_the_way[0][0] - time.monotonic(), 0) if on_the_way else None
        ready, _, _ = select.select([STANDARD_INPUT, *devices], [], [], wait)
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, device, packet = on_the_way.popleft()
            os.write(device, packet)
        for source in ready:
            if source == STANDARD_INPUT:
                line = os.read(STANDARD_INPUT, 100)
                if not line:
                    return
                is_cut = line.strip() == b"cut"
                os.write(STANDARD_OUTPUT, b"done\n")
                continue
            packet = os.read(source, PACKET_BYTES_MAX)
            if not is_cut and chance.random() >= loss:
                on_the_way.append((time.monotonic() + delay, devices[source], packet))


def main(delay: float, loss: float) -> None:
    """Make the machines, and the wire."""
    machines, devices = [], []
    for address in ("10.9.0.1", "10.9.0.2"):
        ours, theirs = socket.socketpair()
        child = os.fork()
        if not child:
            ours.close()
            machine(address, theirs)
            os._exit(0)
        theirs.close()
        machines.append(child)
        _, found, _, _ = socket.recv_fds(ours, 1, 1)
        if not found:
            sys.exit("no machine could be made")
        devices.append(found[0])
    sys.stdout.write(f"{machines[0]} {machines[1]}\n")
    sys.stdout.flush()
    first, second = devices
    try:
        carry({first: second, second: first}, delay, loss)
    finally:
        for child in machines:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
