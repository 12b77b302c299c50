sh note.sh version 1
