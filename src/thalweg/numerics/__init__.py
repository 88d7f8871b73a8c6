"""Numbers as given, precision, small dense algebra along lanes, Lanczos, memory order."""
