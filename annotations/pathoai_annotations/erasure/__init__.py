"""Taking a person out of a study: what holds him, and removing it without remains."""
