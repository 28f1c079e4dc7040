"""The stories, told in data: one module for each kind of people."""
