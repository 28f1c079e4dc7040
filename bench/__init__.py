"""How fast AskFirst is, always as a ratio to somebody else in the same run. ``python -m bench`` measures everything."""
