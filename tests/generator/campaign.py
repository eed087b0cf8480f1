"""Many scripts, in batches that share a stage; what fails is shrunk and kept."""
import sys
import time
from pathlib import Path

from shrink import Shrinker
from stage import SIDES, Failure, Stage

BATCH = 20
KEPT = Path(__file__).resolve().parents[1] / "output"


class Campaign:
    def __init__(self, sides=SIDES, where=None, shrink_seconds=120):
        self.sides = sides
        self.where = where
        self.shrink_seconds = shrink_seconds
        self.scripts = self.done = self.failed = 0
        self.began = time.monotonic()

    def run(self, scripts, keep_going=False):
        """The texts of what failed; the first one ends it unless `keep_going`."""
        failures = []
        scripts = list(scripts)
        while scripts and (keep_going or not failures):
            settle = scripts[0].option("settle", "20ms")
            batch = []
            while scripts and len(batch) < BATCH and scripts[0].option("settle", "20ms") == settle:
                batch.append(scripts.pop(0))
            failure, left = self.play(batch, settle)
            if failure is not None:
                failures.append(failure)
                scripts[:0] = left
        return failures

    def play(self, batch, settle):
        """(what failed or None, the scripts of the batch that were not played)"""
        stage = Stage(self.sides, settle, self.where)
        left = []
        try:
            stage.run(batch)
            stage.restart()
            return None, []
        except (Failure, AssertionError) as failure:
            culprit = getattr(failure, "script", None)
            if culprit is not None and not failure.restarted:
                left = batch[batch.index(culprit) + 1:]
            return self.explain(failure, batch if culprit is None else [culprit], settle), left
        finally:
            self.scripts += len(batch) - len(left)
            self.done += stage.done
            self.failed += stage.failed
            stage.close()

    # What failed

    def explain(self, failure, suspects, settle):
        side = getattr(failure, "side", None)
        self.say(f"FAILED {', '.join(script.title for script in suspects)}: {failure}\nshrinking …")
        for script in suspects:
            rehearsal = Rehearsal([side] if side else self.sides, settle, self.where,
                                  getattr(failure, "restarted", False))
            try:
                shrinker = Shrinker(rehearsal.fails, seconds=self.shrink_seconds)
                if shrinker.fails(script.lines):
                    return self.keep(shrinker.run(script), rehearsal.last)
            finally:
                rehearsal.close()
        text = f"{failure}\n(not seen again when played alone)"
        self.say(text)
        return "\n".join([text, *map(str, suspects)])

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)

    def keep(self, script, failure):
        KEPT.mkdir(exist_ok=True)
        path = KEPT / f"{script.title.replace(',', '').replace('/', '_').replace(' ', '-')}.txt"
        path.write_text(str(script))
        text = (f"{failure}\n---- the shortest script that fails; again with: tests/generator/run --script {path}\n"
                f"{script}----")
        self.say(text)
        return text

    def summary(self):
        seconds = time.monotonic() - self.began
        return (f"{self.scripts} scripts in {seconds:.1f} s, {self.done} operations done, {self.failed} refused by the "
                f"file system")


class Rehearsal:
    """Plays candidates of the shrinker, on one stage until it is spoilt by a failure."""

    def __init__(self, names, settle, where, restart):
        self.arguments = names, settle, where
        self.restart = restart
        self.stage = None
        self.last = None

    def fails(self, script):
        if self.stage is None:
            self.stage = Stage(*self.arguments)
        try:
            self.stage.run([script])
            if self.restart:
                self.stage.restart()
            return False
        except (Failure, AssertionError) as failure:
            self.last = failure
            self.close()
            return True

    def close(self):
        if self.stage is not None:
            self.stage.close()
        self.stage = None
