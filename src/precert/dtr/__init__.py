"""Documentation, Da Vinci DTR: a policy's open facts as questionnaires, and the answers back. No rule stands here."""
