"""Exchange formats, each a file registered in the group ``pathoai.annotation_formats``."""
