"""Reviews of crawls that AskFirst did not make: was each fetch allowed by what the publisher said then?

``model`` holds the nouns, ``judge`` the judgement, ``evidence`` what was said when; each other module reads one sort of
log. Nothing is fetched.
"""
