"""Training recipes: the YAML files that ship with pathoai, and how one becomes objects."""
