"""Audio files of the REST endpoints: any container in, OpenAI's formats out."""

import io
from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from fake_openai.tape import RATE_HZ, wav_bytes

MAX_SECONDS: Final = 1_500
"""OpenAI's transcription limit: 25 minutes."""

FORMATS: Final[dict[str, tuple[str, str, str]]] = {
    "mp3": ("mp3", "libmp3lame", "audio/mpeg"),
    "opus": ("ogg", "libopus", "audio/ogg"),
    "aac": ("adts", "aac", "audio/aac"),
    "flac": ("flac", "flac", "audio/flac"),
    "wav": ("", "", "audio/wav"),
    "pcm": ("", "", "audio/pcm"),
}
"""Response format: container, encoder and media type. wav and pcm need neither."""
_SAMPLE_FORMATS: Final = {
    "libmp3lame": "s16p",
    "aac": "fltp",
    "flac": "s16",
    "libopus": "s16",
}


class AudioFileError(ValueError):
    """The bytes are not audio that FFmpeg can read."""


def read_audio(data: bytes) -> NDArray[np.int16]:
    """A file of any kind (wav, webm, ogg, mp3, m4a, flac) as int16, 24 kHz mono.

    Raises:
        AudioFileError: no audio in it, broken, or longer than MAX_SECONDS.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    pieces: list[NDArray[np.int16]] = []
    n_samples = 0
    try:
        with av.open(io.BytesIO(data), "r") as container:
            for frame in container.decode(audio=0):
                for out in resampler.resample(frame):
                    pieces.append(_samples(out))
                    n_samples += out.samples
                if n_samples > MAX_SECONDS * RATE_HZ:
                    raise AudioFileError("longer than 25 minutes")
            pieces.extend(_samples(out) for out in resampler.resample(None))
    except (av.FFmpegError, IndexError, StopIteration) as exc:
        raise AudioFileError("not an audio file") from exc
    if not pieces:
        raise AudioFileError("no audio in the file")
    return np.concatenate(pieces)


def write_audio(pcm: NDArray[np.int16], name: str) -> bytes:
    """int16 24 kHz mono as one of FORMATS (pcm: 24 kHz little endian, no header)."""
    if name == "wav":
        return wav_bytes(pcm)
    if name == "pcm":
        return pcm.astype("<i2").tobytes()
    container_name, codec, _ = FORMATS[name]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=RATE_HZ)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        stream.format = av.AudioFormat(_SAMPLE_FORMATS[codec])
        resampler = av.AudioResampler(
            format=_SAMPLE_FORMATS[codec],
            layout="mono",
            rate=RATE_HZ,
            frame_size=stream.codec_context.frame_size or 1_024,
        )
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", "mono")
        frame.sample_rate = RATE_HZ
        frame.pts = 0
        frame.time_base = Fraction(1, RATE_HZ)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _samples(frame: av.AudioFrame) -> NDArray[np.int16]:
    return frame.to_ndarray().reshape(-1).astype(np.int16)
