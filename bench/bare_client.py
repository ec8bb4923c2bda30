"""Measure how many pages a second the simulator serves to a client that ignores their content.

`bare_client.py URL PROJECT TOKEN JOBS PAGES CONNECTIONS` prints the figures as JSON. Each
connection is a raw socket, kept alive, with a thread of its own.
"""

import json
import socket
import sys
import threading
import time
from urllib.parse import urlsplit


def send_requests(address: tuple[str, int], requests: list[bytes]) -> None:
    buffer = bytearray(1 << 18)
    view = memoryview(buffer)
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            connection.sendall(request)
            received = connection.recv_into(view)
            while (end := buffer.find(b"\r\n\r\n", 0, received)) < 0:
                received += connection.recv_into(view[received:])
            head = bytes(buffer[:end]).lower()
            assert head.startswith(b"http/1.1 200"), head
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            left = length - (received - end - 4)
            while left > 0:
                left -= connection.recv_into(view)


def main() -> None:
    url, project_id, token = sys.argv[1:4]
    jobs, pages, connections = map(int, sys.argv[4:])
    location = urlsplit(url)
    address = (location.hostname or "", location.port or 80)
    head = f" HTTP/1.1\r\nHost: {location.netloc}\r\nX-Auth-Token: {token}\r\n\r\n"
    path = f"/v1/{project_id}/digital-human-videos?create_since=2000-01-01T00:00:00Z&limit=100&offset="
    requests = [f"GET {path}{number * 100 % jobs}{head}".encode() for number in range(pages)]
    threads = [
        threading.Thread(target=send_requests, args=(address, requests[first::connections]))
        for first in range(connections)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - started
    sys.stdout.write(json.dumps({"wall": wall, "requests": pages, "pages_per_second": pages / wall}) + "\n")


if __name__ == "__main__":
    main()
