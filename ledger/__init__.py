"""What the service must remember: runs, their events, and what callers asked for."""
