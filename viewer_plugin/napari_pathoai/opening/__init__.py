"""How the plugin is opened: readers, the sample, the review window."""
