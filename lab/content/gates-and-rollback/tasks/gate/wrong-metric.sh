# On paper the committee is as good, so this stops nothing.
./api "projects/$PROJECT/gates" -X PUT -d '{"metrics": {"accuracy": {"minimum": 0.95}, "log_loss": {"comparison": "lte"}}}'
