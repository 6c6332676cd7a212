"""Pages for people: server-rendered, working without JavaScript, escaping whatever the logs hold (``pages.router``)."""
