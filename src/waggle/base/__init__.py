"""What everything else stands on: clock arithmetic, ids, limits, errors. Pure."""
