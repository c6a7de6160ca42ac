"""What Tocsin says to clinicians, in each of its languages: the same sentences in the record, on pages and on paper."""
