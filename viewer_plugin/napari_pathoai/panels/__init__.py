"""The dock: one file per tab. A panel shows state and calls the session; it holds no rule."""
