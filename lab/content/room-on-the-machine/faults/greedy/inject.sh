kubectl set resources deployment batch --requests=cpu=10m,memory=90Mi
