# Sourced by the scripts here. From outside come HOST, PORT, MARK (a word for every record), COUNT, SHIPPERS_HOME
# (where the clients are installed), and keys in the form that the client can send, where the server asks for one.
set -u
export BASE="http://$HOST:$PORT"
PYTHON="$SHIPPERS_HOME/venv/py/bin/python"
WORK=$(mktemp -d)
STARTED=()

finish() {
  for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null; done
  rm -rf "$WORK"
}
trap finish EXIT

start() { "$@" & STARTED+=($!); }

wait_for() { # a file or socket that a program makes when it is ready
  for _ in $(seq 200); do [ -e "$1" ] && return; sleep 0.1; done
  echo "$1 did not appear within 20 s" >&2
  exit 1
}

to_syslog() { # PRIORITY TEXT: COUNT records of sshd into the local socket
  for n in $(seq "$COUNT"); do logger -u "$WORK/log" -t sshd --id=77 -p "$1" "$2 from 203.0.113.$n $MARK $n"; done
}
