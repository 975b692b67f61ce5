"""The rim: one thin module per trigger. Nothing imports from here."""
