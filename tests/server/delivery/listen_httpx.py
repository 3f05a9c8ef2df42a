"""Prints every event of a stream as a line of JSON, and ends after a run's last one: listen_httpx.py URL."""

from __future__ import annotations

import json
import sys
import time

import httpx
import httpx_sse

LAST = {"run.succeeded", "run.failed", "run.canceled"}


def listen(url: str) -> None:
    last, wait = "", 0.05
    while True:
        try:
            headers = {"Last-Event-ID": last} if last else {}
            with httpx_sse.connect_sse(httpx.Client(), "GET", url, headers=headers) as source:
                for event in source.iter_sse():
                    wait = (event.retry or wait * 1000) / 1000
                    if not event.data:
                        continue
                    last = event.id
                    sys.stdout.write(json.dumps({"id": event.id, "event": event.event, "data": event.json()}) + "\n")
                    sys.stdout.flush()
                    if event.event in LAST:
                        return
        except httpx.TransportError:
            pass
        time.sleep(wait)


listen(sys.argv[1])
