"""Training recipes that ship with pathoai, one YAML file each."""
