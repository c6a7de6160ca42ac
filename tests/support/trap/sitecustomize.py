"""On a process's PYTHONPATH it makes two sizes of picture do to the decoder what no test can make a sound one do.

A picture of KILLS ends the process as a segmentation fault would; one of HANGS never comes back.
"""

import os
import signal
import threading
from typing import Any

from PIL import ImageFile

KILLS = (331, 337)
HANGS = (347, 349)

_load = ImageFile.ImageFile.load


def _trapped(image: ImageFile.ImageFile) -> Any:
    if image.size == KILLS:
        os.kill(os.getpid(), signal.SIGSEGV)
    if image.size == HANGS:
        threading.Event().wait()
    return _load(image)


ImageFile.ImageFile.load = _trapped  # type: ignore[assignment,method-assign] # what a defect in a decoder written in C does, without one
