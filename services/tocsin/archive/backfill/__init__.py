"""Pictures that the record already holds are judged, page by page."""
