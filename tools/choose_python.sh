# Sets $python: that of the active virtual environment, else this repository's .venv, else the first on the path.
# Sourced by the scripts that start several processes, which say what they took.
repository_python=$(dirname "$0")/../.venv/bin/python
if [ -n "${VIRTUAL_ENV:-}" ]; then
    python=$VIRTUAL_ENV/bin/python
elif [ -x "$repository_python" ]; then
    python=$repository_python
else
    python=$(command -v python || command -v python3) || { echo 'error: there is no python on the path' >&2; exit 2; }
fi
echo "python: $python" >&2
