"""The verbs a user calls: connect, open, run, save."""
