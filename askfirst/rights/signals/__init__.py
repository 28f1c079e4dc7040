"""Every rights signal that is read, one file each.

A new signal is one file here, one line in ``READERS`` (askfirst/rights/read.py asks every reader what it looks at) and
a case file under tests/cases/.
"""
