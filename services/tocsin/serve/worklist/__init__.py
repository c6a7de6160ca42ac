"""The worklist as a page: rows of the projection that the reader's own token opens in the record."""
