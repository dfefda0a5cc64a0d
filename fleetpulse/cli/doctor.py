"""`fleetpulse doctor`: what this machine can measure, and whether all that is set answers.

Everything is asked at the same time with the settings of the environment, and given 5 s. The exit
code is 1 if something that is set does not answer, 0 otherwise. No secret is shown.
"""

from __future__ import annotations

import argparse
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleetpulse.cli import doctor_machine, doctor_questions
from fleetpulse.cli.doctor_questions import NotSet, NotWell, Question
from fleetpulse.cli.tables import table
from fleetpulse.errors import FleetpulseError, SettingsError
from fleetpulse.settings import PROCESS_SETTINGS, variables

ANSWER_S = 5.0
_SETTINGS = {variable.name for kind in PROCESS_SETTINGS for _, variable in variables(kind)}


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    NOT_OK = "not ok"
    NOT_SET = "not set"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a question."""

    part: str
    state: State
    said: str  # what it is, or what to do


def main(argv: Sequence[str] | None = None) -> int:
    """Look at everything and say how it is; the exit code."""
    parser = argparse.ArgumentParser(prog="fleetpulse doctor", description=__doc__)
    parser.parse_args(argv)
    under_way = Asked(doctor_questions.QUESTIONS, ANSWER_S)
    sys.stdout.write(doctor_machine.told())
    findings = under_way.findings()
    sys.stdout.write("\nWhat is set\n")
    sys.stdout.write(table([(f"  {each.part}", each.state, each.said) for each in findings]))
    return int(any(each.state is State.NOT_OK for each in findings))


class Asked:
    """Questions under way, each in a thread of its own."""

    def __init__(
        self,
        questions: Sequence[Question],
        answer_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """answer_s: how long each may take."""
        self._questions, self._now_s = questions, now_s
        self._until_s = now_s() + answer_s
        self._answers: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        for question in questions:
            # A client that hangs must not keep the command from ending.
            threading.Thread(target=self._ask, args=(question,), daemon=True).start()

    def findings(self) -> list[Finding]:
        """What came of each, in their order; what has not answered by now is not ok."""
        found: dict[str, Finding] = {}
        while len(found) < len(self._questions):
            try:
                finding = self._answers.get(timeout=max(0.0, self._until_s - self._now_s()))
            except queue.Empty:
                break
            found[finding.part] = finding
        return [found.get(each.part) or _no_answer(each) for each in self._questions]

    def _ask(self, question: Question) -> None:
        self._answers.put(finding_of(question))


def finding_of(question: Question) -> Finding:
    """What comes of a question: no failure of it is ours."""
    try:
        return Finding(question.part, State.OK, question.ask())
    except NotSet as reason:
        return Finding(question.part, State.NOT_SET, str(reason))
    except SettingsError as problem:  # it names the setting
        said = str(problem)
    except (NotWell, FleetpulseError) as problem:
        said = str(problem)
        if not _names_where(said):
            said += f" Check {question.variable}."
    except ModuleNotFoundError as problem:
        said = f"{problem.name} is not installed; run: pip install 'fleetpulse[{question.extra}]'"
    except Exception as problem:  # its text may hold an address with a password
        said = f"failed ({type(problem).__name__}); check {question.variable}."
    return Finding(question.part, State.NOT_OK, said)


def _names_where(said: str) -> bool:
    """Whether a sentence has what there is to look at: a setting, or a command."""
    return "`" in said or not _SETTINGS.isdisjoint(re.findall(r"\w+", said))


def _no_answer(question: Question) -> Finding:
    said = f"does not answer within {ANSWER_S:.0f} s; start it, or check {question.variable}."
    return Finding(question.part, State.NOT_OK, said)


if __name__ == "__main__":
    sys.exit(main())
