# A PUT replaces all gates: the one for the latency is gone.
./api "projects/$PROJECT/gates" -X PUT -d '{"approval": "required"}'
