"""What clinicians make of flags: verdicts, cards and worklists by pure rules, and the adapters that keep them."""
