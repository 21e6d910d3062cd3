"""The report: from predictions of held-out slides to a page that a reviewer can trust."""
