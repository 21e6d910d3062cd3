"""Rules of a pathologist's review: worklists, the queue of a slide, its verdict, what was read."""
