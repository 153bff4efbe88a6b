"""Agents at work: races, worktrees, running commands, checkpoints, checks, recovery."""
