"""What a person types for a problem, a method and its numbers, on a command line or on a page."""
