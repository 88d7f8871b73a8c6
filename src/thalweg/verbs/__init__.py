"""What a person asks for, and gets: run, solve, minimize."""
