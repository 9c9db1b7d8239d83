"""The numbers of each agent's reports: what is doubled, and what the bus has lost.

An agent numbers its reports, and the bridge publishes them without a gap, each in one transaction with the number
that it stands at. A new spool, or another PC, goes on where the old one stopped. So a number that is left out on the
stream was published and is gone: the bus was set back, or its stream was cut before the desk had read it. What was in
it, a fill perhaps, nobody sends again.
"""

from kernel_lib.wire import Report

__all__ = ["ReportNumbers"]


class ReportNumbers:
    """How far each agent's reports have come; the first one seen of an agent may have any number.

    Attributes
    ----------
    last : dict of str to int
        Each agent's highest number.
    newest_ns : dict of str to int
        The latest time that a report of it told.
    """

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.newest_ns: dict[str, int] = {}

    def restore(self, last: dict[str, int], newest_ns: dict[str, int]) -> None:
        """Go on where a snapshot was taken."""
        self.last, self.newest_ns = dict(last), dict(newest_ns)

    def lost_before(self, report: Report) -> str:
        """Say in words which reports must have come before this one and did not, else nothing."""
        last = self.last.get(report.agent)
        if report.origin != "agent" or last is None:
            return ""
        if report.seq > last + 1:
            first, end = last + 1, report.seq - 1
            which = f"report {first}" if first == end else f"reports {first} to {end}"
            return f"{which} of agent {report.agent} never came: the bus lost what the broker did"
        if self._begins_anew(report, last):
            return (
                f"agent {report.agent} numbers its reports anew, {report.seq} after {last}: bus and spool were lost, "
                "and what the broker did in between may be"
            )
        return ""

    def take(self, report: Report) -> bool:
        """Count it; False when it was taken before."""
        if report.origin != "agent":  # the bridge's own have no number
            return True
        agent, last = report.agent, self.last.get(report.agent, 0)
        if report.seq <= last and not self._begins_anew(report, last):
            return False
        self.last[agent] = report.seq
        self.newest_ns[agent] = max(self.newest_ns.get(agent, 0), report.time_ns)
        return True

    def _begins_anew(self, report: Report, last: int) -> bool:
        # One that is sent again tells nothing later than all that was told.
        return report.seq <= last and 0 < self.newest_ns.get(report.agent, 0) < report.time_ns
