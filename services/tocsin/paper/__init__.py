"""A report as a document for people and servers that take documents: PDF/A-2b and plain text, of one composition."""
