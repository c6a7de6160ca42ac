"""Tells what Tocsin is made of: bills of materials (CycloneDX), licences, and known vulnerabilities.

It is for whoever builds and for a site that takes in what was built, so it stands beside the other files that a site gets, and not in the
wheel: no process of Tocsin needs it, and it imports nothing of Tocsin. What it looks at it only reads: no file of it is run or imported.
"""
