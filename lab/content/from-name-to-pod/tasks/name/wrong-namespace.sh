# There is no Service model in namespace default.
kubectl set env deployment/shop MODEL_URL=http://model.default
