"""x -> y -> L: problems, their stages and losses, and derivatives."""
