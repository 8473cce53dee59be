"""Makes every Python process of a bridge under test use more CPU, by a known share.

Not part of the product: `make calibrate` puts this folder on one bridge's PYTHONPATH,
to see whether the regression gate finds the difference. A thread looks at what the
process has used and burns its share of that, in slices far shorter than a frame.
"""

from __future__ import annotations

import os
import threading
import time

EVERY_S = 0.1


def _burn(share: float) -> None:
    while True:
        time.sleep(EVERY_S)
        # What this thread costs itself, waking up included, is part of the share.
        while time.thread_time() < share * (time.process_time() - time.thread_time()):
            pass


if _share := float(os.environ.get("CALIBRATE_BURN_SHARE", "0")):
    threading.Thread(target=_burn, args=(_share,), daemon=True).start()
