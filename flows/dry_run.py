"""A dry run in a process of its own: a request comes in as JSON, counts and bytes go out as JSON.

    python -m flows.dry_run < request.json

The service starts it, because the service itself opens no evidence. An error goes out as the error model has it, with
exit code 1.
"""

from __future__ import annotations

import json
import sys

from bundle.errors import BundleError
from flows.errors import FlowError
from flows.preview import preview
from flows.recorded import described
from flows.request import ExportRequest, prepare_plan

REFUSED = 1


def main() -> int:
    """Answer one request; return the exit code."""
    try:
        request = ExportRequest.from_json(json.load(sys.stdin))
        found = preview(prepare_plan(request))
    except (FlowError, BundleError) as error:
        code, model = described(error)
        json.dump({"errorCode": code, "error": model}, sys.stdout)
        return REFUSED
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
