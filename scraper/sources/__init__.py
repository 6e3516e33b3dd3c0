"""Where candidates come from: Google Images, folders of local files, lists of addresses."""
