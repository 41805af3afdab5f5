"""What changes commands, one SQL function call each: sending, sending many, removing old history."""
