"""How loud a frame is."""

import numpy as np

from server.audio.format import FULL_SCALE, Pcm

SILENCE_DBFS = -96.0


def rms_dbfs(pcm: Pcm) -> float:
    """Level of one mono frame, in dBFS.

    Args:
        pcm: int16, shape (n_samples,), n_samples >= 1, any rate.

    Returns:
        20*log10(rms / 32768), never below SILENCE_DBFS. A full-scale sine reads
        -3.01 dBFS (an AES17 meter would show 0).

    Raises:
        ValueError: if pcm is empty or has more than one channel.
    """
    if pcm.ndim != 1 or pcm.size == 0:
        raise ValueError(f"expected shape (n_samples,), got {pcm.shape}")
    rms = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))
    if rms == 0:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, 20 * float(np.log10(rms / FULL_SCALE)))
