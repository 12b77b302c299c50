kubectl set env deployment/caller RATE=36
