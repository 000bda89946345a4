#!/bin/sh
# Writes .env from .env.example with a fresh secret at each empty name. Leaves an existing .env alone.
set -eu
cd "$(dirname "$0")/.."
target=${1:-.env}
if [ -e "$target" ]; then
    echo "$target exists: delete it first if its secrets may be lost" >&2
    exit 1
fi
umask 077
while IFS= read -r line; do
    case $line in
        \#*) printf '%s\n' "$line" ;;
        # A Fernet key is 32 bytes in URL-safe base64.
        *_FERNET_KEY=) printf '%s%s\n' "$line" "$(openssl rand -base64 32 | tr '+/' '-_')" ;;
        *=) printf '%s%s\n' "$line" "$(openssl rand -hex 32)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done < .env.example > "$target"
echo "$target written; keep it out of version control"
