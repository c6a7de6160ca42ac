"""What a model does on a site's own patients: labels and scores -> figures with their uncertainty -> a report, a site file, an alarm.

Nothing here is loaded by a process that judges pictures.
"""
