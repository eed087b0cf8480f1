"""The shortest script that still fails: lines are left out in ever smaller pieces (delta debugging), then processes are
joined.  What processes do to each other is chance, so a candidate gets several tries before it counts as passing."""
import time

from script import BASE, DRIVER, OPTION, Script


class Shrinker:
    def __init__(self, fails, tries=4, seconds=120):
        """fails(script) plays it once: whether the failure is there."""
        self._fails = fails
        self.tries = tries
        self.deadline = time.monotonic() + seconds

    def fails(self, lines):
        script = Script(lines)
        return any(self._fails(script) for _ in range(self.tries))

    def late(self):
        return time.monotonic() > self.deadline

    def run(self, script):
        lines = self.remove(list(script.lines))
        lines = self.join(lines)
        lines = self.remove(lines)
        return Script(lines, f"{script.title}, shrunk")

    def remove(self, lines):
        size = max(1, len(lines) // 2)
        while not self.late():
            at, any_removed = 0, False
            while at < len(lines) and not self.late():
                candidate = lines[:at] + lines[at + size:]
                if self.fails(candidate):
                    lines, any_removed = candidate, True
                else:
                    at += size
            if size == 1 and not any_removed:
                break
            size = max(1, size // 2)
        return lines

    def join(self, lines):
        """Everything in one process, if it fails that way too."""
        candidate = [line if line[0] in (BASE, DRIVER, OPTION) else ["1"] + line[1:] for line in lines]
        return candidate if candidate != lines and self.fails(candidate) else lines
