"""Each vendor's own list of scenarios, played against any endpoint that speaks its protocol, ours or another's.

`gateway/certify/<processor>.py` has `run(target) -> Iterator[Scenario]`; `score.py` has what they share: the target,
the scenarios' frame, the HTTP, and the table at the end. Nothing here knows how our own answers are made.
"""
