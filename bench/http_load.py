#!/usr/bin/env python3
"""Load on a server with OpenAI's /v1/completions on this machine: one kept connection for each client, prompts of token ids.

    http_load.py URL [--prompt 64] [--tokens 1] [--requests 200] [--clients 1]

Prints one JSON line: seconds of the whole, p50, p90 and p99 of a request in milliseconds. Every prompt begins with ids of its own, so
that no cache of prefixes helps. The client itself costs about 0.05 ms a request, and is counted.
"""
import argparse, json, socket, statistics, threading, time
from urllib.parse import urlsplit


class Connection:
    """HTTP/1.1, just enough for a server's whole answers with Content-Length."""

    def __init__(self, url):
        at = urlsplit(url)
        self.host = at.netloc
        self.socket = socket.create_connection((at.hostname, at.port or 80), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def request(self, body):
        head = f"POST /v1/completions HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        while b"\r\n\r\n" not in self.rest:
            self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        size = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        while len(self.rest) < size:
            self.receive()
        answer, self.rest = self.rest[:size], self.rest[size:]
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"{head.splitlines()[0].decode()}: {answer.decode()[:300]}")
        return answer

    def receive(self):
        part = self.socket.recv(1 << 16)
        if not part:
            raise RuntimeError("the server closed the connection")
        self.rest += part


def body(number, prompt, tokens, model=None):
    ids = [300 + (number * 7919 + i * i) % 700 for i in range(prompt)]
    return json.dumps({"prompt": ids, "max_tokens": tokens, "temperature": 0, "ignore_eos": True} | ({"model": model} if model else {})).encode()


def load(url, prompt, tokens, requests, clients, model=None, first=0):
    """(seconds of the whole, [seconds of each request])"""
    times, failed = [], []

    def client(k):
        try:
            c = Connection(url)
            for i in range(requests // clients):
                b = body(first + k * 1000003 + i, prompt, tokens, model)
                began = time.perf_counter()
                c.request(b)
                times.append(time.perf_counter() - began)
        except (OSError, RuntimeError) as e:
            failed.append(e)

    threads = [threading.Thread(target=client, args=(k,)) for k in range(clients)]
    began = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise RuntimeError(f"{len(failed)} of {clients} clients: {failed[0]}")
    return time.perf_counter() - began, times


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("url")
    for name, default in ("prompt", 64), ("tokens", 1), ("requests", 200), ("clients", 1):
        ap.add_argument("--" + name, type=int, default=default)
    a = ap.parse_args()
    whole, times = load(a.url, a.prompt, a.tokens, a.requests, a.clients)
    cuts = statistics.quantiles(times, n=100)
    print(json.dumps({"seconds": round(whole, 4), "requests": len(times), **{f"p{p}_ms": round(1e3 * cuts[p - 1], 3) for p in (50, 90, 99)}}))


if __name__ == "__main__":
    main()
