"""What a study owes the public: its sheet, and the portal that lists such sheets."""
