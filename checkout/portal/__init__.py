"""The merchant's own portal: who may open which door stands in `urls.py`, how a door works in `doors.py`."""
