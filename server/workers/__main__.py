"""`python -m server.workers FD`: a media process. Started by the front only."""

import asyncio
import sys

from server.observability.logs import set_up_logging
from server.workers.serve import serve


def main() -> int:
    """Serve the socket whose descriptor is the only argument."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        print("this program is started by voicebridge itself", file=sys.stderr)
        return 2
    set_up_logging("INFO")
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(int(sys.argv[1])))
    else:
        uvloop.run(serve(int(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
