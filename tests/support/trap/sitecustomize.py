"""On a process's PYTHONPATH it makes two sizes of picture do to the decoder what no test can make a sound one do.

A picture of KILLS ends the process as a segmentation fault would; one of HANGS never comes back.
"""

import os
import signal
import threading
from typing import Any

import simplejpeg  # type: ignore[import-untyped] # its stubs come without a py.typed

KILLS = (331, 337)
HANGS = (347, 349)

_decode = simplejpeg.decode_jpeg


def _trapped(content: bytes, *options: Any, **more: Any) -> Any:
    height, width, *_ = simplejpeg.decode_jpeg_header(content)
    if (width, height) == KILLS:
        os.kill(os.getpid(), signal.SIGSEGV)
    if (width, height) == HANGS:
        threading.Event().wait()
    return _decode(content, *options, **more)


simplejpeg.decode_jpeg = _trapped  # what a defect in a decoder written in C does, without one
