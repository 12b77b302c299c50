sh note.sh grower class_0
