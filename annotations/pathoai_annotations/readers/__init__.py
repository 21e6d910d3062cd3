"""Who reads which slide, in which room, and what each reader signed off."""
