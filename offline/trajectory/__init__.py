"""A person's motion as a function of time: representations and how they are fitted."""
