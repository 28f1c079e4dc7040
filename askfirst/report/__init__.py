"""Reports of a crawl's record: one page for people, tables for programs, and the EU's training summary."""
