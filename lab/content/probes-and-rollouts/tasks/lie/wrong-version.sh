# It answers, but the next damaged version would be called ready again.
kubectl set env deployment/candidate MODEL=v2
