"""A script: what some processes do to a drive, in lines that are easy to read, to run again and to leave out.

    option settle 5ms           how the daemons are configured
    base mkdir a                done first and alone, and seen by everybody before the rest begins
    1 write a/b 100             process 1; those of one process in order, the processes at once
    2 rename a b                perform.c has the operations and their arguments
    0 kill watcher              to the daemons: kill, stop, continue; daemon, watcher
    0 pause 500                 microseconds
"""
BASE = "base"
OPTION = "option"
DRIVER = "0"


class Script:
    def __init__(self, lines=(), title=""):
        self.lines = list(lines)        # of words
        self.title = title

    @classmethod
    def parse(cls, text):
        lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return cls(lines)

    def __str__(self):
        head = f"# {self.title}\n" if self.title else ""
        return head + "".join(" ".join(line) + "\n" for line in self.lines)

    def option(self, name, default):
        return next((line[2] for line in self.lines if line[0] == OPTION and line[1] == name), default)

    def of(self, process):
        """The operations of one process."""
        return [line[1:] for line in self.lines if line[0] == process]

    def processes(self):
        return sorted({line[0] for line in self.lines} - {BASE, OPTION, DRIVER})

    def base_text(self):
        return "".join(f"1 {' '.join(line)}\n" for line in self.of(BASE))

    def main_text(self):
        return "".join(" ".join(line) + "\n" for line in self.lines if line[0] not in (BASE, OPTION, DRIVER))

    def uses(self, operation):
        return any(line[1] == operation for line in self.lines if line[0] not in (OPTION, DRIVER))

    def leaves_drive(self):
        return any(word.startswith("out/") for line in self.lines for word in line[2:])
