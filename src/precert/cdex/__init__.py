"""Attachments, Da Vinci CDex ``$submit-attachment``: wire to core. Nothing is decided here."""
