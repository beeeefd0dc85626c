"""The webhook inbox: receives anything, checks signatures, shows all of it, and fails when told to."""
