"""A command in a pseudo-terminal: what it draws, and what is left on the screen."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from typing import NamedTuple

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?!0?m)[0-9;]+m")
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Session(NamedTuple):
    """The exit code of a command, and all that it wrote to its terminal."""

    exit_code: int
    text: str

    @property
    def plain(self) -> str:
        """The text without control sequences."""
        return CONTROL.sub("", self.text)

    @property
    def screen(self) -> list[str]:
        """The lines that stand on the screen at the end, without those that were cleared."""
        lines, row, column = [""], 0, 0
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", self.text):
            if part == "\r":
                column = 0
            elif part == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif part == "\x1b[2K":
                lines[row] = ""
            elif part.endswith("A") and part.startswith("\x1b["):
                row -= int(part[2:-1] or 1)
            elif part and not part.startswith("\x1b"):
                line = lines[row].ljust(column)
                lines[row] = line[:column] + part + line[column + len(part) :]
                column += len(part)
        return [line.rstrip() for line in lines if line.strip()]


def run_in_terminal(
    words: list[str], *, interrupt_at: str = "", seconds: float = 300, **environment: str
) -> Session:
    """Run a command in a terminal of 120 columns; Ctrl-C is typed once a text has come.

    Parameters
    ----------
    seconds : float
        After which the command is killed.
    """
    process, screen = pty.fork()
    if process == 0:
        os.execve(words[0], words, {**os.environ, "TERM": "xterm-256color", **environment})
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    text, end, is_typed = b"", time.monotonic() + seconds, not interrupt_at
    while time.monotonic() < end:
        if not select.select([screen], [], [], 0.2)[0]:
            continue
        try:
            chunk = os.read(screen, 2**16)
        except OSError:
            break
        text += chunk
        if not is_typed and interrupt_at in CONTROL.sub("", text.decode(errors="replace")):
            os.write(screen, b"\x03")
            is_typed = True
        if not chunk:
            break
    else:
        os.kill(process, 9)
    status = os.waitpid(process, 0)[1]
    os.close(screen)
    return Session(os.waitstatus_to_exitcode(status), text.decode(errors="replace"))
