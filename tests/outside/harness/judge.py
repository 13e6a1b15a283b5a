"""Judging what many clients saw: never more than size inside, and first come, first served."""


class Job:
    """What one client saw of one ticket, in seconds of one clock: asked, told its id, got it, began to give it back."""

    def __init__(self, name, asked, queried, got, left):
        self.name, self.asked, self.queried, self.got, self.left = name, asked, queried, got, left

    def __repr__(self):
        return f"{self.name}(asked {self.asked:.3f} got {self.got:.3f} left {self.left:.3f})"


def most_inside(jobs):
    """The largest number of clients that were surely inside at one moment."""
    # At the same instant leaving comes first: only what is certain counts.
    moments = sorted([(job.got, 1) for job in jobs] + [(job.left, -1) for job in jobs])
    inside = most = 0
    for _, step in moments:
        inside += step
        most = max(most, inside)
    return most


# Seconds within which the server has surely stored that it has heard of a client, or has heard of it again.
NOTED = 0.5


def dormant_time(job, kills):
    """From when to when others may be let in before it: kills are pairs of seconds, killed and ready again.

    A ticket of which nothing was heard before a kill, as far as was stored, is dormant until its client calls.
    """
    begin, end, noted = None, None, job.queried + NOTED
    for killed, ready in kills:
        if job.queried <= killed < noted:
            begin, end = begin or killed, ready + NOTED
            noted = end
    return begin, end


def overtakings(jobs, size, kills=()):
    """The grants that cannot be explained by first come, first served.

    A client may hear late of its grant, so one that came earlier and has not heard yet is fine, as long as it and
    all who are inside together fit into the lock: then it had its permit.
    """
    wrong = []
    dormant = {job: dormant_time(job, kills) for job in jobs}
    for job in jobs:
        inside = [other for other in jobs if other.got <= job.got < other.left]
        passed = [other for other in jobs if other.queried < job.asked and other.got > job.got]
        passed = [other for other in passed if not (dormant[other][0] and dormant[other][0] <= job.got <= dormant[other][1])]
        if passed and len(inside) + len(passed) > size:
            wrong.append((job, passed))
    return wrong


def check(jobs, size, kills=()):
    """Both rules."""
    assert most_inside(jobs) <= size, f"{most_inside(jobs)} inside a lock of {size}"
    wrong = overtakings(jobs, size, kills)
    assert not wrong, f"overtaken: {wrong[:3]}"
