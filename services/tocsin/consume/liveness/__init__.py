"""Is this process well?"""
