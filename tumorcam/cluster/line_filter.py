"""A program that copies lines but drops TensorFlow's chatter; the module `quiet` starts it.

It imports nothing of tumorcam, so that it starts within milliseconds.
"""

import os
import re
import select

SECONDS_HELD = 0.2  # until the beginning of a line is passed on without its end
CHUNK_BYTES = 2**16
CHATTER = re.compile(  # beginnings of lines that tell a user nothing
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called"
    rb"|I\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d [\d:.]+: I "  # information, as absl and TSL write it
    rb"|(?:[WE]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [WE] )[^\]]*\] (?:"  # warnings without consequence:
    rb"Input of \S+ will not be optimized because the dataset does not implement"  # all strategies
    rb"|Unable to register cu(?:FFT|DNN|BLAS) factory: "  # all CUDA builds, tensorflow#62075
    rb"|computation placer already registered"  # all CUDA builds, tensorflow#90790
    rb"|TF-TRT Warning: Could not find TensorRT"  # which nothing here uses, tensorflow#64809
    rb")"
)


def copy_lines(source: int, target: int) -> None:
    """Copy bytes from descriptor `source` to `target` until the end, without lines of chatter.

    What is no chatter arrives unchanged and in order. The beginning of a line waits at most
    SECONDS_HELD for its end.
    """
    held, is_passed_on = b"", False  # the beginning of a line
    while True:
        if held and not select.select([source], [], [], SECONDS_HELD)[0]:
            _write(target, held)
            held, is_passed_on = b"", True
        chunk = os.read(source, CHUNK_BYTES)
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            if is_passed_on or not CHATTER.match(line):
                _write(target, line + b"\n")
            is_passed_on = False
        if not chunk:
            if is_passed_on or not CHATTER.match(held):
                _write(target, held)
            return


def _write(target: int, data: bytes) -> None:
    """Write all bytes; drop them where nobody can read them, so that the writer never waits."""
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:
            select.select([], [target], [])
        except OSError:
            return


if __name__ == "__main__":
    copy_lines(0, 2)
