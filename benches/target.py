"""What the benchmarks have in common: a promise, and whether it is kept."""

from dataclasses import dataclass


@dataclass
class Target:
    """A promise, and how far what was measured is from it."""

    text: str
    value: float
    bound: float
    at_least: bool
    # Whether what else runs on a machine changes it, such as a time.
    noisy: bool = True

    @classmethod
    def memory(cls, text: str, mib: float, bound: float) -> "Target":
        """Returns a bound of the memory of a process, which no other process changes."""
        return cls(f"{text}, MiB", mib, bound, at_least=False, noisy=False)

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def lost(self, noise_percent: float) -> bool:
        """Whether it is missed by more than what else runs on a machine explains."""
        allowed = self.bound * noise_percent / 100 if self.noisy else 0
        return not self.met and abs(self.value - self.bound) > allowed

    def better(self, other: "Target | None") -> "Target":
        if other is None or (self.value > other.value) == self.at_least:
            return self
        return other

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.met else "MISSED"
        return f"{verdict:6}  {self.text}: {self.value:.2f} ({sign} {self.bound:g})"
