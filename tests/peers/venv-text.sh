# The older name of the set, for scripts that say what they test.
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh" plain
