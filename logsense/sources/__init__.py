"""What logsense goes and gets by itself: files, sockets of its own, the host's metrics."""
