"""What a site has shown of a model on its own patients: the site file, which lies beside the model card and never changes it."""
