"""Who may do what, what may be asked, and how a moderator takes hold of things."""
