#!/usr/bin/env python3
"""Prints a free port of loopback, from below the range of outgoing connections: no client takes it before its server does."""
import random, socket


def range_of_clients():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            return int(f.read().split()[0])
    except OSError:
        return 32768


def free_port():
    end = range_of_clients()
    for _ in range(1000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(end // 2, end)))
                return s.getsockname()[1]
            except OSError:
                continue                # somebody has it
    raise RuntimeError("no free port on 127.0.0.1")


if __name__ == "__main__":
    print(free_port())
