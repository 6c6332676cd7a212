"""The HTTP face of a workspace: JSON API, receivers and pages in one application (``app.create_app``)."""
