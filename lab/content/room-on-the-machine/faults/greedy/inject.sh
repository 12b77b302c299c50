# The limit too: it may be lower than 90Mi, which a request must not exceed.
kubectl set resources deployment batch --requests=cpu=10m,memory=90Mi --limits=memory=128Mi
