kubectl set env deployment/caller RATE=36
sh dial.sh saturation "sum(rate(model_busy_seconds_total{namespace=\"$LAB\"}[1m])) / sum(model_slots{namespace=\"$LAB\"})"
sleep 40 # while the rate grows, the replica aside must not make the others look idle
